/** Names of everything that is deployed: they read well in a console, and policies can name what another stack makes. */

export type MachineName = 'backup' | 'restore' | 'drill';
export const MACHINES: readonly MachineName[] = ['backup', 'restore', 'drill'];

/** AWS's limits, in characters. */
export const FUNCTION_NAME_MAX = 64;
export const MACHINE_NAME_MAX = 80;
export const SCHEDULE_NAME_MAX = 64;
export const ROLE_NAME_MAX = 64;

/** Environments are part of every name. */
export const ENVIRONMENT_NAME = /^[a-z][a-z0-9-]{0,19}$/;

export const stackName = (environment: string, part: string): string => `lifeboat-${environment}-${part}`;
export const machineName = (environment: string, source: string, machine: MachineName): string => `${environment}-${source}-${machine}`;
export const functionName = (environment: string, source: string, step: string): string => `${environment}-${source}-${step}`;
export const roleName = (environment: string, source: string, purpose: string): string => `${environment}-${source}-${purpose}`;
export const scheduleGroupName = (environment: string): string => `lifeboat-${environment}`;
export const scheduleName = (source: string, machine: MachineName): string => `${source}-${machine}`;
export const alarmName = (environment: string, source: string | undefined, alarm: string): string =>
  ['lifeboat', environment, ...(source === undefined ? [] : [source]), alarm].join('-');

/** Log groups below /aws/vendedlogs/ need no entry of their own in CloudWatch's resource policy, which is limited in size. */
export const machineLogs = (environment: string, source: string): string => `/aws/vendedlogs/states/lifeboat/${environment}/${source}`;
export const functionLogs = (environment: string, source: string): string => `/lifeboat/${environment}/${source}`;

/** `dump-task` is `${DumpTask}` in a state machine. */
export const placeholderOf = (step: string): string =>
  step.replace(/(^|-)([a-z])/g, (_, _dash: string, letter: string) => letter.toUpperCase());

/** Where EMF metrics of the watcher lie in CloudWatch. */
export const METRICS = 'Lifeboat';

/** The alias of each machine that schedules start. */
export const ALIAS = 'live';
