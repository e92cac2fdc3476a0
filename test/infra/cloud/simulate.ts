import { runSimulation } from '@cloud-copilot/iam-simulate';
import type { Need } from './needs.ts';
import { ACCOUNT, type Cloud } from './template.ts';

export type Decision = 'Allowed' | 'ExplicitlyDenied' | 'ImplicitlyDenied';

/** Keys that the simulator's data does not have for an action; the proof is only worth something without any. */
export class IgnoredKeys extends Error {}

const roleOf = (cloud: Cloud, by: string): string => {
  // A step is that of the source that was run; the other sources have their own.
  const step = (cloud.functions.get(`example-catalog-prod-${by}`) ?? cloud.functions.get(`lifeboat-example-${by}`))?.role;
  const machine = [...cloud.machines].find(([arn]) => arn.endsWith(`:${by}`))?.[1].role;
  const role = step ?? machine ?? (cloud.roles.has(by) ? by : undefined);
  if (role === undefined) throw new Error(`there is no step, machine or role ${by}`);
  return role;
};

/** What IAM would say to a request of a step, a machine or a role: its identity's policy and the resource's together. */
export const decide = async (cloud: Cloud, { by, action, resource, context }: Need): Promise<Decision> => {
  const role = roleOf(cloud, by);
  const owner = action.startsWith('s3:') ? resource.replace(/^(arn:aws:s3:::[^/]+).*$/, '$1') : resource;
  const resourcePolicy = cloud.resourcePolicies.get(owner);
  const outcome = await runSimulation(
    {
      request: {
        principal: `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/session`,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: {
          'aws:PrincipalArn': `arn:aws:iam::${ACCOUNT}:role/${role}`,
          'aws:SecureTransport': 'true',
          ...(action.startsWith('s3:') ? { 's3:TlsVersion': '1.3' } : {}),
          ...context,
        },
      },
      identityPolicies: [...(cloud.roles.get(role) ?? [])],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(resourcePolicy === undefined ? {} : { resourcePolicy }),
    },
    {},
  );
  if (outcome.resultType === 'error') throw new Error(`${by} ${action} ${resource}: ${JSON.stringify(outcome.errors)}`);
  const ignored = outcome.resultType === 'single' ? (outcome.result.ignoredContextKeys ?? []) : [];
  if (ignored.some((key) => key in context)) throw new IgnoredKeys(`${action} knows no ${ignored.join(', ')}`);
  return outcome.overallResult;
};
