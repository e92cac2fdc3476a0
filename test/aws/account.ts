import { type Answer, type Asked, ok } from '../support/step-functions.ts';
import { ACCOUNT, REGION } from './support.ts';

/** An account in which all is as it should be; what is different in one, a test says. */
export interface Account {
  readonly account: string;
  readonly concurrent: number;
  readonly keyState: string;
  readonly keyPolicy: unknown;
  readonly versioning: string;
  readonly lock: { readonly mode: string; readonly days: number } | undefined;
  readonly zone: string;
  readonly egress: string;
  readonly routes: string;
  readonly endpoints: readonly string[];
  /** Answers of the probes, by source or target. */
  readonly probes: Readonly<Record<'probe-source' | 'probe-target', unknown>>;
  /** Actions that these credentials may not do. */
  readonly denied: readonly string[];
}

export const VPC = {
  id: 'vpc-0123456789abcdef0',
  availabilityZones: ['eu-central-1a'],
  subnets: ['subnet-0123456789abcdef0'],
  securityGroups: ['sg-0123456789abcdef0'],
};

const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/k`;

export const WELL: Account = {
  account: ACCOUNT,
  concurrent: 1000,
  keyState: 'Enabled',
  keyPolicy: { Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: 'kms:*', Resource: '*' }] },
  versioning: 'Enabled',
  lock: { mode: 'GOVERNANCE', days: 35 },
  zone: 'eu-central-1a',
  egress: '<ipProtocol>-1</ipProtocol>',
  routes: '<natGatewayId>nat-1</natGatewayId>',
  endpoints: [],
  probes: {
    'probe-source': {
      findings: [{ what: 'source catalog', ok: true, message: 'PostgreSQL 18.4 at db', hint: '' }],
      facts: { product: 'PostgreSQL', version: '18.4', place: 'db', content: 'c', bytes: 1, problems: [] },
    },
    'probe-target': { findings: [{ what: 'target drills', ok: true, message: 'PostgreSQL 18.4 at drills', hint: '' }], facts: null },
  },
  denied: [],
};

const missing = (code: string): Answer => ({ status: 404, json: `<Error><Code>${code}</Code><Message>no</Message></Error>` });

/** The services of the account over HTTP, each in its own protocol. */
export const servicesOf =
  (account: Account) =>
  (asked: Asked): Answer | undefined => {
    const action = asked.action.split('.').at(-1) ?? '';
    if (account.denied.includes(action))
      return asked.action.includes('.')
        ? { status: 400, json: { __type: 'AccessDeniedException', message: 'no' } }
        : {
            status: 403,
            json: '<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>',
          };
    return queryOf(account)[action]?.() ?? pathOf(account, asked);
  };

const queryOf = (account: Account): Readonly<Record<string, () => Answer>> => ({
  GetCallerIdentity: () =>
    ok(
      `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::${account.account}:assumed-role/operator/me</Arn><Account>${account.account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`,
    ),
  DescribeKey: () => ok({ KeyMetadata: { KeyId: 'k', Arn: KEY, KeyState: account.keyState } }),
  GetKeyPolicy: () => ok({ Policy: JSON.stringify(account.keyPolicy) }),
  GetKeyRotationStatus: () => ok({ KeyRotationEnabled: true }),
  DescribeSubnets: () =>
    ok(
      `<DescribeSubnetsResponse><subnetSet><item><subnetId>${VPC.subnets[0]}</subnetId><vpcId>${VPC.id}</vpcId><availabilityZone>${account.zone}</availabilityZone></item></subnetSet></DescribeSubnetsResponse>`,
    ),
  DescribeSecurityGroups: () =>
    ok(
      `<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>${VPC.securityGroups[0]}</groupId><vpcId>${VPC.id}</vpcId><ipPermissionsEgress><item>${account.egress}</item></ipPermissionsEgress></item></securityGroupInfo></DescribeSecurityGroupsResponse>`,
    ),
  DescribeRouteTables: () =>
    ok(
      `<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><associationSet><item><main>true</main></item></associationSet><routeSet><item>${account.routes}</item></routeSet></item></routeTableSet></DescribeRouteTablesResponse>`,
    ),
  DescribeVpcEndpoints: () =>
    ok(
      `<DescribeVpcEndpointsResponse><vpcEndpointSet>${account.endpoints.map((service) => `<item><serviceName>com.amazonaws.${REGION}.${service}</serviceName><vpcEndpointType>Interface</vpcEndpointType><state>available</state></item>`).join('')}</vpcEndpointSet></DescribeVpcEndpointsResponse>`,
    ),
});

const pathOf = (account: Account, { url }: Asked): Answer | undefined => {
  const path = decodeURIComponent(url.pathname);
  const probe = /:function:prod-catalog-(probe-source|probe-target)\/invocations$/.exec(path)?.[1];
  if (probe === 'probe-source' || probe === 'probe-target') return ok(account.probes[probe]);
  if (path.endsWith('/account-settings') || path.endsWith('/account-settings/'))
    return ok({ AccountLimit: { ConcurrentExecutions: account.concurrent, UnreservedConcurrentExecutions: account.concurrent } });
  const isStore = path.startsWith('/acme-store');
  if (url.searchParams.has('versioning'))
    return ok(`<VersioningConfiguration><Status>${account.versioning}</Status></VersioningConfiguration>`);
  if (url.searchParams.has('object-lock')) {
    const { lock } = account;
    if (!isStore || lock === undefined) return missing('ObjectLockConfigurationNotFoundError');
    return ok(
      `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>${lock.mode}</Mode><Days>${lock.days}</Days></DefaultRetention></Rule></ObjectLockConfiguration>`,
    );
  }
  if (url.searchParams.has('encryption'))
    return ok(
      `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${KEY}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`,
    );
  return missing('NoSuchBucket');
};
