import { afterEach, describe, expect, it } from 'vitest';
import { type Account, servicesOf, VPC, WELL } from './account.ts';
import { ACCOUNT, type Cloud, openCloud, REGION } from './support.ts';

let cloud: Cloud;
afterEach(() => cloud?.stop());

const open = async (changes: Partial<Account> = {}): Promise<Cloud> => {
  cloud = await openCloud({
    other: servicesOf({ ...WELL, ...changes }),
    raw: (endpoint) => ({
      store: { url: 's3://acme-store/prod', endpoint, objectLock: { mode: 'GOVERNANCE', days: 35 } },
      control: { url: 's3://acme-control/prod', endpoint },
      deployment: { account: ACCOUNT, region: REGION, vpc: VPC },
    }),
  });
  return cloud;
};

interface Finding {
  readonly what: string;
  readonly state: string;
  readonly message: string;
  readonly hint: string;
}

const findingsOf = (json: Record<string, unknown>): readonly Finding[] => json['findings'] as readonly Finding[];

/** What doctor finds wrong, or could not measure. */
const wrongIn = async (changes: Partial<Account>): Promise<readonly string[]> => {
  await open(changes);
  const { json } = await cloud.run(['doctor', '--json']);
  return findingsOf(json())
    .filter(({ state }) => state !== 'ok')
    .map(({ what, state, message, hint }) => `${state} ${what}: ${message} | ${hint}`);
};

describe('doctor on AWS', () => {
  it('finds nothing wrong where all is as it should be, and says what it looked at', async () => {
    await open();
    const ran = await cloud.run(['doctor', '--json']);
    expect(ran.code).toBe(0);
    const findings = findingsOf(ran.json());
    expect(findings.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(findings.map(({ what }) => what)).toEqual([
      'node',
      'credentials',
      'machine prod-catalog-backup',
      'machine prod-catalog-restore',
      'machine prod-catalog-drill',
      'bucket acme-store',
      'bucket acme-store, Object Lock',
      'bucket acme-store, encryption',
      'bucket acme-control',
      'bucket acme-control, encryption',
      'KMS key',
      'KMS key, policy',
      'subnet subnet-0123456789abcdef0',
      'security groups sg-0123456789abcdef0',
      'way from subnet-0123456789abcdef0 to S3, Secrets Manager and Step Functions',
      'functions at once',
      'source catalog',
      'target drills, for catalog',
    ]);
    expect(findings.at(-2)?.message).toBe('PostgreSQL 18.4 at db');
  });

  it('looks no further with the credentials of another account', async () => {
    expect(await wrongIn({ account: '999999999999' })).toEqual([
      `failed credentials: arn:aws:sts::999999999999:assumed-role/operator/me is in account 999999999999; the environment is deployed in ${ACCOUNT} | Choose another profile: AWS_PROFILE.`,
    ]);
  });

  it.each<[string, Partial<Account>, RegExp]>([
    [
      'a key that is to be deleted',
      { keyState: 'PendingDeletion' },
      /^failed KMS key: .* is PendingDeletion: nothing that it encrypted can be read/,
    ],
    [
      'a key whose policy names somebody else',
      { keyPolicy: { Statement: [{ Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::123456789012:role/admin' }, Action: 'kms:*' }] } },
      /^failed KMS key, policy: does not let IAM of account 123456789012 decide/,
    ],
    ['a bucket without versions', { versioning: 'Suspended' }, /^failed bucket acme-store: is not versioned/],
    [
      'a bucket without Object Lock',
      { lock: undefined },
      /^failed bucket acme-store, Object Lock: is off; the environment says GOVERNANCE, 35 days/,
    ],
    [
      'a shorter lock',
      { lock: { mode: 'GOVERNANCE', days: 7 } },
      /Object Lock: is GOVERNANCE, 7 days; the environment says GOVERNANCE, 35 days/,
    ],
    ['a subnet of another zone', { zone: 'eu-central-1b' }, /^failed subnet subnet-\S+: is in eu-central-1b, not in eu-central-1a/],
    [
      'a security group that lets nobody out to the database',
      { egress: '<ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort>' },
      /^failed security groups sg-\S+: let nobody out to port 5432/,
    ],
    [
      'no way to AWS',
      { routes: '<gatewayId>local</gatewayId>' },
      /^failed way from subnet-\S+: there is neither NAT nor an endpoint of s3, secretsmanager, states|^failed way from/,
    ],
    [
      'an endpoint that is missing',
      { routes: '<gatewayId>vpce-1</gatewayId>', endpoints: ['s3', 'states'] },
      /there is neither NAT nor an endpoint of secretsmanager \| Set deployment\.vpc\.endpoints/,
    ],
    ['too few functions', { concurrent: 4 }, /^failed functions at once: all sources together need 5, and this account may run 4/],
    [
      'a database that the functions cannot reach',
      {
        probes: {
          ...WELL.probes,
          'probe-source': {
            findings: [{ what: 'source catalog', ok: false, message: 'ConnectionLost: no answer in 25 s', hint: 'A security group.' }],
            facts: null,
          },
        },
      },
      /^failed source catalog: ConnectionLost: no answer in 25 s \| A security group\./,
    ],
  ])('tells of %s', async (_, changes, expected) => {
    const wrong = await wrongIn(changes);
    expect(wrong).toHaveLength(1);
    expect(wrong[0]).toMatch(expected);
  });

  it('says what it could not measure, and why, without calling it wrong', async () => {
    await open({ denied: ['DescribeSubnets', 'DescribeKey'] });
    const { code, out } = await cloud.run(['doctor']);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^not measured {2}KMS key: PermissionDenied: these credentials may not kms:DescribeKey on \S+\n +hint: docs\/aws\.md/m,
    );
    expect(out).toMatch(/^not measured {2}VPC: PermissionDenied: these credentials may not ec2:DescribeSubnets on vpc-/m);
  });

  it('ends with 1 where something is wrong', async () => {
    await open({ concurrent: 4 });
    expect(await cloud.run(['doctor'])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^problem {2}functions at once: .*\n +hint: Lower concurrency/m),
    });
  });
});
