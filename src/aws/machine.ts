import type { Deployment } from '../environment/deployment.ts';
import type { Environment } from '../environment/environment.ts';
import { ALIAS, functionName, type MachineName, machineName } from '../environment/names.ts';
import { LifeboatError } from '../errors.ts';

/** An environment that was deployed: what stands where is known by its names alone. */
export interface Deployed {
  readonly environment: Environment;
  readonly deployment: Deployment;
}

/** Fails with NotDeployed when the environment does not say where. */
export const deployedOf = (environment: Environment): Deployed => {
  const { deployment } = environment;
  if (deployment !== undefined) return { environment, deployment };
  throw new LifeboatError('NotDeployed', `environment ${environment.name} has no deployment`, {
    hint: 'Give it one in its file: account and region at least.',
  });
};

const place = ({ deployment: { region, account } }: Deployed): string => `${region}:${account}`;

export const machineArn = (deployed: Deployed, source: string, machine: MachineName): string =>
  `arn:aws:states:${place(deployed)}:stateMachine:${machineName(deployed.environment.name, source, machine)}`;

/** What schedules start, and people, too: the version that was deployed last. */
export const liveArn = (deployed: Deployed, source: string, machine: MachineName): string =>
  `${machineArn(deployed, source, machine)}:${ALIAS}`;

export const functionArn = (deployed: Deployed, source: string, step: string): string =>
  `arn:aws:lambda:${place(deployed)}:function:${functionName(deployed.environment.name, source, step)}`;

/** The name at the end of an ARN, by which people call an execution. */
export const lastPart = (arn: string): string => arn.slice(arn.lastIndexOf(':') + 1);
