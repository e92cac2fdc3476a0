import { z } from 'zod';
import type { Finding } from '../../cli/engine.ts';
import { parseIfJson } from '../../json.ts';
import { asked, clientOptions } from '../clients.ts';
import type { Deployed } from '../machine.ts';
import { bad, examined, good, unmeasured } from './finding.ts';

const Statement = z.object({
  Effect: z.string(),
  Principal: z.union([z.string(), z.record(z.string(), z.union([z.string(), z.array(z.string())]))]).optional(),
  Action: z.union([z.string(), z.array(z.string())]).optional(),
});
const Policy = z.object({ Statement: z.array(Statement) });

/** Of the key that encrypts the store. */
export interface KeyFacts {
  readonly arn: string;
  readonly state: string;
  readonly rotates: boolean | undefined;
  /** As KMS keeps it: JSON. */
  readonly policy: string;
}

export const key = ({ deployment }: Deployed, id: string | undefined): Promise<readonly Finding[]> =>
  examined('KMS key', async () => {
    if (id === undefined) return [unmeasured('KMS key', 'which key encrypts the store is not known', 'The bucket could not be asked.')];
    const { DescribeKeyCommand, GetKeyPolicyCommand, GetKeyRotationStatusCommand, KMSClient } = await import('@aws-sdk/client-kms');
    const client = new KMSClient(clientOptions(deployment));
    const ask = <T>(action: string, request: () => Promise<T>): Promise<T> =>
      asked({ action: `kms:${action}`, resource: id, region: deployment.region }, undefined, request);
    try {
      const { KeyMetadata } = await ask('DescribeKey', () => client.send(new DescribeKeyCommand({ KeyId: id })));
      const { Policy: policy = '' } = await ask('GetKeyPolicy', () =>
        client.send(new GetKeyPolicyCommand({ KeyId: id, PolicyName: 'default' })),
      );
      const { KeyRotationEnabled } = await ask('GetKeyRotationStatus', () => client.send(new GetKeyRotationStatusCommand({ KeyId: id })));
      return judgeKey(deployment.account, {
        arn: KeyMetadata?.Arn ?? id,
        state: KeyMetadata?.KeyState ?? 'unknown',
        rotates: KeyRotationEnabled,
        policy,
      });
    } finally {
      client.destroy();
    }
  });

export const judgeKey = (account: string, { arn, state, rotates, policy }: KeyFacts): readonly Finding[] => [
  state === 'Enabled'
    ? good('KMS key', `${arn} is enabled${rotates === true ? ' and rotates' : ''}`)
    : bad('KMS key', `${arn} is ${state}: nothing that it encrypted can be read`, 'Cancel its deletion, or enable it, at once.'),
  judgePolicy(account, policy),
];

/** A policy that hands the decision to IAM is what the roles count on; one that names principals has to name ours, which IAM decides. */
const judgePolicy = (account: string, text: string): Finding => {
  const what = 'KMS key, policy';
  const policy = Policy.safeParse(parseIfJson(text));
  if (!policy.success) return unmeasured(what, 'the policy cannot be read', 'Look at it in the console.');
  const root = `arn:aws:iam::${account}:root`;
  const delegates = policy.data.Statement.some(
    ({ Effect, Principal, Action }) =>
      Effect === 'Allow' && principalsOf(Principal).some((name) => name === root || name === account) && all(Action).includes('kms:*'),
  );
  return delegates
    ? good(what, 'lets IAM of this account decide, as the roles need it')
    : bad(
        what,
        `does not let IAM of account ${account} decide`,
        `Add a statement that allows kms:* to ${root}, or name the roles of Lifeboat in it.`,
      );
};

const principalsOf = (principal: z.infer<typeof Statement>['Principal']): readonly string[] => {
  if (principal === undefined) return [];
  return typeof principal === 'string' ? [principal] : all(principal['AWS']);
};

const all = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;
