import { DescribeExecutionCommand, ListExecutionsCommand, type SFNClient } from '@aws-sdk/client-sfn';
import type { ExecutionInfo } from '../cli/engine.ts';
import { MACHINES, type MachineName } from '../environment/names.ts';
import { LifeboatError } from '../errors.ts';
import { asked } from './clients.ts';
import { isMissing } from './errors.ts';
import { type Deployed, lastPart, machineArn } from './machine.ts';

interface Machine {
  readonly source: string;
  readonly machine: MachineName;
  readonly arn: string;
}

/** The most that one request answers. */
const PAGE_MAX = 1000;

export const machinesOf = (deployed: Deployed): readonly Machine[] =>
  Object.keys(deployed.environment.sources).flatMap((source) =>
    MACHINES.map((machine) => ({ source, machine, arn: machineArn(deployed, source, machine) })),
  );

/** Newest first, of all machines of the environment. Map runs' children are not among them. */
export const listExecutions = async (deployed: Deployed, client: SFNClient, limit: number): Promise<readonly ExecutionInfo[]> => {
  const found: ExecutionInfo[] = [];
  let missing = 0;
  const machines = machinesOf(deployed);
  for (const { arn } of machines) {
    try {
      found.push(...(await ofMachine(deployed, client, arn, limit)));
    } catch (error) {
      // A source that was added since the last deployment has no machines yet.
      if (!isMissing(error)) throw error;
      missing += 1;
    }
  }
  if (missing === machines.length)
    throw new LifeboatError('NotDeployed', `environment ${deployed.environment.name} has no machines in ${deployed.deployment.region}`, {
      hint: `Deploy it first: npx cdk deploy --all -c env=${deployed.environment.name}.`,
    });
  const newest = found.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
  const told: ExecutionInfo[] = [];
  for (const info of newest)
    told.push(info.status === 'FAILED' ? { ...info, error: await errorOf(deployed, client, info.execution) } : info);
  return told;
};

const ofMachine = async ({ deployment }: Deployed, client: SFNClient, arn: string, limit: number): Promise<readonly ExecutionInfo[]> => {
  const deed = { action: 'states:ListExecutions', resource: arn, region: deployment.region };
  const maxResults = Math.min(limit, PAGE_MAX);
  const { executions = [] } = await asked(deed, undefined, () =>
    client.send(new ListExecutionsCommand({ stateMachineArn: arn, maxResults })),
  );
  return executions.flatMap(({ executionArn, status, startDate, stopDate }) =>
    executionArn === undefined || startDate === undefined
      ? []
      : [
          {
            execution: executionArn,
            machine: lastPart(arn),
            status: status === undefined || status === 'PENDING_REDRIVE' ? 'RUNNING' : status,
            startedAt: startDate.toISOString(),
            endedAt: stopDate?.toISOString() ?? null,
            error: null,
          },
        ],
  );
};

/** A list says only that it failed. */
const errorOf = async ({ deployment }: Deployed, client: SFNClient, execution: string): Promise<string | null> => {
  const deed = { action: 'states:DescribeExecution', resource: execution, region: deployment.region };
  const { error } = await asked(deed, undefined, () => client.send(new DescribeExecutionCommand({ executionArn: execution })));
  return error ?? null;
};
