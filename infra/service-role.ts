import { type IRole, PolicyDocument, type PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledgeWildcards } from './nag.ts';

export interface ServiceRole {
  readonly name: string;
  readonly service: 'lambda' | 'states' | 'scheduler' | 'events' | 's3';
  readonly description: string;
  /** Whose resources may use it. */
  readonly account: string;
  readonly statements: readonly PolicyStatement[];
}

/** A role whose policy is what is written here: constructs that are given it cannot add to it. */
export const serviceRole = (scope: Construct, id: string, { name, service, description, account, statements }: ServiceRole): IRole => {
  const sids = statements.map(({ sid }) => sid);
  if (new Set(sids).size < sids.length) throw new Error(`${name} has statements of the same name: ${sids.join(', ')}`);
  const principal = new ServicePrincipal(`${service}.amazonaws.com`);
  const role = new Role(scope, id, {
    roleName: name,
    description,
    // Lambda does not say for whom it takes a role.
    assumedBy: service === 'lambda' ? principal : principal.withConditions({ StringEquals: { 'aws:SourceAccount': account } }),
    inlinePolicies: { duty: new PolicyDocument({ statements: [...statements], minimize: false }) },
  });
  acknowledgeWildcards(role, statements);
  return role.withoutPolicyUpdates();
};
