import type { Finding } from '../../cli/engine.ts';
import type { Deployment } from '../../environment/deployment.ts';
import { asked, clientOptions } from '../clients.ts';
import type { Deployed } from '../machine.ts';
import { bad, examined, good } from './finding.ts';

type Vpc = NonNullable<Deployment['vpc']>;

/** What EC2 says of the ids of the environment. */
export interface NetworkFacts {
  readonly subnets: readonly { readonly id: string; readonly vpc: string; readonly zone: string }[];
  readonly groups: readonly { readonly id: string; readonly vpc: string; readonly out: readonly PortRange[] }[];
  /** Of each subnet, or of the VPC where a subnet has none of its own (`main`). */
  readonly routes: readonly { readonly subnets: readonly string[]; readonly main: boolean; readonly targets: readonly string[] }[];
  readonly endpoints: readonly { readonly service: string; readonly type: string; readonly state: string }[];
}

/** -1 to -1 is everything. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

const HTTPS = 443;

/** The database's own port where the address says none. */
const PORTS: Readonly<Record<string, number>> = { postgres: 5432, mysql: 3306 };

export const network = (deployed: Deployed): Promise<readonly Finding[]> =>
  examined('VPC', async () => {
    const { vpc, region } = deployed.deployment;
    if (vpc === undefined) return [good('VPC', 'none: the functions run outside of any, and reach AWS by the internet')];
    return judgeNetwork(vpc, region, portsOf(deployed), await factsOf(deployed, vpc));
  });

const portsOf = ({ environment }: Deployed): readonly number[] => {
  const systems = [...Object.values(environment.sources), ...Object.values(environment.targets)];
  const ports = systems.flatMap(({ kind, address }) => {
    const given = typeof address === 'object' && address !== null && 'port' in address ? address['port'] : undefined;
    return typeof given === 'number' ? [given] : (PORTS[kind] ?? []);
  });
  return [...new Set([HTTPS, ...ports])];
};

const factsOf = async ({ deployment }: Deployed, vpc: Vpc): Promise<NetworkFacts> => {
  const { DescribeRouteTablesCommand, DescribeSecurityGroupsCommand, DescribeSubnetsCommand, DescribeVpcEndpointsCommand, EC2Client } =
    await import('@aws-sdk/client-ec2');
  const client = new EC2Client(clientOptions(deployment));
  const ask = <T>(action: string, request: () => Promise<T>): Promise<T> =>
    asked({ action: `ec2:${action}`, resource: vpc.id, region: deployment.region }, undefined, request);
  const ofVpc = [{ Name: 'vpc-id', Values: [vpc.id] }];
  try {
    const { Subnets = [] } = await ask('DescribeSubnets', () => client.send(new DescribeSubnetsCommand({ Filters: ofVpc })));
    const { SecurityGroups = [] } = await ask('DescribeSecurityGroups', () =>
      client.send(new DescribeSecurityGroupsCommand({ Filters: ofVpc })),
    );
    const { RouteTables = [] } = await ask('DescribeRouteTables', () => client.send(new DescribeRouteTablesCommand({ Filters: ofVpc })));
    const { VpcEndpoints = [] } = await ask('DescribeVpcEndpoints', () => client.send(new DescribeVpcEndpointsCommand({ Filters: ofVpc })));
    return {
      subnets: Subnets.map(({ SubnetId = '', VpcId = '', AvailabilityZone = '' }) => ({
        id: SubnetId,
        vpc: VpcId,
        zone: AvailabilityZone,
      })),
      groups: SecurityGroups.map(({ GroupId = '', VpcId = '', IpPermissionsEgress = [] }) => ({
        id: GroupId,
        vpc: VpcId,
        out: IpPermissionsEgress.map(({ IpProtocol, FromPort = -1, ToPort = -1 }) =>
          IpProtocol === '-1' ? { from: -1, to: -1 } : { from: FromPort, to: ToPort },
        ),
      })),
      routes: RouteTables.map(({ Associations = [], Routes = [] }) => ({
        subnets: Associations.flatMap(({ SubnetId }) => SubnetId ?? []),
        main: Associations.some(({ Main }) => Main === true),
        targets: Routes.flatMap(
          (route) => route.NatGatewayId ?? route.GatewayId ?? route.TransitGatewayId ?? route.NetworkInterfaceId ?? [],
        ),
      })),
      endpoints: VpcEndpoints.map(({ ServiceName = '', VpcEndpointType = '', State = '' }) => ({
        service: ServiceName,
        type: VpcEndpointType,
        state: State,
      })),
    };
  } finally {
    client.destroy();
  }
};

/** Whether the functions can get out: to AWS, and to a port of each database. Whether that lets them in, only a probe from inside can say. */
export const judgeNetwork = (vpc: Vpc, region: string, ports: readonly number[], facts: NetworkFacts): readonly Finding[] => [
  ...vpc.subnets.map((id, index) => judgeSubnet(id, vpc.availabilityZones[index] ?? '', facts)),
  ...vpc.securityGroups.flatMap((id) => judgeGroup(id, facts)),
  ...judgeWayOut(ports, vpc, facts),
  ...vpc.subnets.map((id) => judgeRoute(id, region, facts)),
];

const judgeSubnet = (id: string, zone: string, { subnets }: NetworkFacts): Finding => {
  const found = subnets.find((subnet) => subnet.id === id);
  const what = `subnet ${id}`;
  if (found === undefined) return bad(what, 'is not in the VPC', 'Correct deployment.vpc.subnets.');
  return found.zone === zone
    ? good(what, `in ${zone}`)
    : bad(what, `is in ${found.zone}, not in ${zone}`, 'Correct the order of deployment.vpc.availabilityZones.');
};

const judgeGroup = (id: string, { groups }: NetworkFacts): Finding[] =>
  groups.some((group) => group.id === id)
    ? []
    : [bad(`security group ${id}`, 'is not in the VPC', 'Correct deployment.vpc.securityGroups.')];

const judgeWayOut = (ports: readonly number[], vpc: Vpc, { groups }: NetworkFacts): Finding[] => {
  const open = groups.filter(({ id }) => vpc.securityGroups.includes(id)).flatMap(({ out }) => out);
  const shut = ports.filter((port) => !open.some(({ from, to }) => from === -1 || (from <= port && port <= to)));
  const what = `security groups ${vpc.securityGroups.join(', ')}`;
  return [
    shut.length === 0
      ? good(what, `let the functions out to ports ${ports.join(', ')}`)
      : bad(what, `let nobody out to port ${shut.join(', ')}`, 'Add an egress rule.'),
  ];
};

const judgeRoute = (id: string, region: string, { routes, endpoints }: NetworkFacts): Finding => {
  const table = routes.find(({ subnets }) => subnets.includes(id)) ?? routes.find(({ main }) => main);
  const what = `way from ${id} to S3, Secrets Manager and Step Functions`;
  const targets = table?.targets ?? [];
  if (targets.some((target) => /^(nat|tgw|eni)-/.test(target))) return good(what, 'by NAT');
  const has = (service: string): boolean =>
    endpoints.some((endpoint) => endpoint.service === `com.amazonaws.${region}.${service}` && endpoint.state === 'available');
  const s3 =
    has('s3') &&
    (targets.some((target) => target.startsWith('vpce-')) ||
      endpoints.some(({ service, type }) => service.endsWith('.s3') && type === 'Interface'));
  const missing = [...(s3 ? [] : ['s3']), ...['secretsmanager', 'states'].filter((service) => !has(service))];
  return missing.length === 0
    ? good(what, 'by endpoints')
    : bad(
        what,
        `there is neither NAT nor an endpoint of ${missing.join(', ')}`,
        'Set deployment.vpc.endpoints to "create" and deploy, or give the subnet a route.',
      );
};
