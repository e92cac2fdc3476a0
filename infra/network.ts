import {
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  type IVpc,
  SecurityGroup,
  type SubnetSelection,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { Deployment } from '../src/environment/deployment.ts';

export interface Network {
  readonly vpc: IVpc;
  readonly vpcSubnets: SubnetSelection;
  readonly securityGroups: ISecurityGroup[];
}

/** The VPC as the environment describes it; nothing is looked up. */
export const networkOf = (scope: Construct, given: NonNullable<Deployment['vpc']>): Network => {
  const vpc = Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: given.id,
    availabilityZones: given.availabilityZones,
    privateSubnetIds: given.subnets,
    ...(given.routeTables === undefined ? {} : { privateSubnetRouteTableIds: given.routeTables }),
  });
  return {
    vpc,
    vpcSubnets: { subnets: vpc.privateSubnets },
    securityGroups: given.securityGroups.map((id) => SecurityGroup.fromSecurityGroupId(scope, `Group-${id}`, id, { mutable: false })),
  };
};

/** Ways out of a VPC that has none: to S3 for free, to other services by the hour. */
export const makeEndpoints = (
  scope: Construct,
  { vpc, vpcSubnets, securityGroups }: Network,
  also: { readonly rds: boolean; readonly sts: boolean },
): void => {
  new GatewayVpcEndpoint(scope, 'S3', { vpc, service: GatewayVpcEndpointAwsService.S3, subnets: [vpcSubnets] });
  const services = {
    Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    States: InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
    ...(also.rds ? { Rds: InterfaceVpcEndpointAwsService.RDS } : {}),
    ...(also.sts ? { Sts: InterfaceVpcEndpointAwsService.STS } : {}),
  };
  for (const [id, service] of Object.entries(services))
    new InterfaceVpcEndpoint(scope, id, { vpc, service, subnets: vpcSubnets, securityGroups, open: false, privateDnsEnabled: true });
};
