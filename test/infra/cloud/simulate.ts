import { runSimulation } from '@cloud-copilot/iam-simulate';
import type { Need } from './needs.ts';
import { ACCOUNT, type Cloud, type Policy } from './template.ts';

export type Decision = 'Allowed' | 'ExplicitlyDenied' | 'ImplicitlyDenied';

/** Keys that the simulator's data does not have for an action; the proof is only worth something without any. */
export class IgnoredKeys extends Error {}

/** Of keys that are not ours: what KMS gives a key by default, which leaves it to the account's own policies. */
const DELEGATING = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: 'kms:*', Resource: '*' }],
};

const roleOf = (cloud: Cloud, by: string): string => {
  const machine = [...cloud.machines].find(([arn]) => arn.endsWith(`:${by}`))?.[1].role;
  const role = cloud.functions.get(by)?.role ?? machine ?? (cloud.roles.has(by) ? by : undefined);
  if (role === undefined) throw new Error(`there is no function, machine or role ${by}`);
  return role;
};

/** What IAM would say to a request of a function, a machine or a role: its identity's policy and the resource's together. */
export const decide = async (cloud: Cloud, need: Need): Promise<Decision> => {
  const role = roleOf(cloud, need.by);
  return simulate(cloud, need, {
    principal: `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/session`,
    identityPolicies: [...(cloud.roles.get(role) ?? [])],
    context: { 'aws:PrincipalArn': `arn:aws:iam::${ACCOUNT}:role/${role}` },
  });
};

/** What IAM would say to a service that acts for itself, as EventBridge does: only the resource's policy counts. `by` is its name. */
export const decideService = (cloud: Cloud, need: Need): Promise<Decision> =>
  simulate(cloud, need, { principal: `${need.by}.amazonaws.com`, identityPolicies: [], context: {} });

interface Principal {
  readonly principal: string;
  readonly identityPolicies: Policy[];
  readonly context: Need['context'];
}

const simulate = async (cloud: Cloud, { by, action, resource, context }: Need, who: Principal): Promise<Decision> => {
  const owner = action.startsWith('s3:') ? resource.replace(/^(arn:aws:s3:::[^/]+).*$/, '$1') : resource;
  const resourcePolicy = cloud.resourcePolicies.get(owner) ?? (action.startsWith('kms:') ? DELEGATING : undefined);
  const outcome = await runSimulation(
    {
      request: {
        principal: who.principal,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: {
          'aws:SecureTransport': 'true',
          ...(action.startsWith('s3:') ? { 's3:TlsVersion': '1.3' } : {}),
          ...who.context,
          ...context,
        },
      },
      identityPolicies: who.identityPolicies,
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
