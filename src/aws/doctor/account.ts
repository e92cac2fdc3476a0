import { DescribeStateMachineCommand, type SFNClient } from '@aws-sdk/client-sfn';
import type { Finding } from '../../cli/engine.ts';
import { asked, clientOptions } from '../clients.ts';
import { machinesOf } from '../executions.ts';
import { functionsAtOnce } from '../limits.ts';
import { type Deployed, lastPart } from '../machine.ts';
import { bad, examined, good } from './finding.ts';

/** Whose credentials these are, and whether they are of the account that the environment names. */
export const identity = ({ deployment }: Deployed): Promise<readonly Finding[]> =>
  examined('credentials', async () => {
    const { GetCallerIdentityCommand, STSClient } = await import('@aws-sdk/client-sts');
    const client = new STSClient(clientOptions(deployment));
    try {
      const deed = { action: 'sts:GetCallerIdentity', resource: 'the caller', region: deployment.region };
      const { Account = '', Arn = '' } = await asked(deed, undefined, () => client.send(new GetCallerIdentityCommand({})));
      return [judgeIdentity(deployment.account, Account, Arn)];
    } finally {
      client.destroy();
    }
  });

export const judgeIdentity = (expected: string, account: string, arn: string): Finding =>
  account === expected
    ? good('credentials', `${arn} in account ${account}`)
    : bad(
        'credentials',
        `${arn} is in account ${account}; the environment is deployed in ${expected}`,
        'Choose another profile: AWS_PROFILE.',
      );

/** Every machine that the environment should have. */
export const machines = async (deployed: Deployed, client: SFNClient): Promise<readonly Finding[]> => {
  const findings: Finding[] = [];
  for (const { source, machine, arn } of machinesOf(deployed)) {
    const what = `machine ${lastPart(arn)}`;
    const found = await examined(what, async () => {
      const deed = { action: 'states:DescribeStateMachine', resource: arn, region: deployed.deployment.region };
      const { status } = await asked(deed, undefined, () => client.send(new DescribeStateMachineCommand({ stateMachineArn: arn })));
      return status === 'ACTIVE' ? [good(what, `is there: ${machine} of ${source}`)] : [bad(what, `is ${status}`, 'It is being deleted.')];
    });
    findings.push(...found);
  }
  return findings;
};

/** Whether all sources may run at the same time, as schedules of the same night make them. */
export const concurrency = (deployed: Deployed): Promise<readonly Finding[]> =>
  examined('functions at once', async () => {
    const { GetAccountSettingsCommand, LambdaClient } = await import('@aws-sdk/client-lambda');
    const client = new LambdaClient(clientOptions(deployed.deployment));
    try {
      const deed = { action: 'lambda:GetAccountSettings', resource: 'the account', region: deployed.deployment.region };
      const { AccountLimit } = await asked(deed, undefined, () => client.send(new GetAccountSettingsCommand({})));
      return [
        judgeConcurrency(
          functionsAtOnce(deployed.environment),
          AccountLimit?.UnreservedConcurrentExecutions ?? AccountLimit?.ConcurrentExecutions,
        ),
      ];
    } finally {
      client.destroy();
    }
  });

export const judgeConcurrency = (need: number, allowed: number | undefined): Finding => {
  const what = 'functions at once';
  if (allowed === undefined) return bad(what, 'Lambda did not say how many this account may run', 'Try again.');
  if (need <= allowed) return good(what, `all sources together need ${need} of the ${allowed} that this account may run`);
  return bad(
    what,
    `all sources together need ${need}, and this account may run ${allowed}`,
    'Lower concurrency, or ask AWS for more (quota L-B99A9384).',
  );
};
