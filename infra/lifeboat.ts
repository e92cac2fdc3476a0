import { type App, Tags, Validations } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import { stackName } from '../src/environment/names.ts';
import type { Deployable } from './deployable.ts';
import type { Ground } from './grants.ts';
import { ServiceStack } from './service-stack.ts';
import { SourceStack } from './source-stack.ts';
import { StorageStack } from './storage-stack.ts';

export interface Lifeboat {
  readonly storage: StorageStack;
  readonly service: ServiceStack;
  readonly sources: readonly SourceStack[];
}

/** All stacks of an environment. `folder` holds the bundles of all steps; stacks cannot share the object that stands for it. */
export const lifeboat = (app: App, deployable: Deployable, folder: string): Lifeboat => {
  const { name, deployment } = deployable;
  const props = { env: { account: deployment.account, region: deployment.region } };
  const storage = new StorageStack(app, stackName(name, 'storage'), deployable, props);
  const ground: Ground = {
    environment: name,
    account: deployment.account,
    region: deployment.region,
    store: deployable.store,
    control: deployable.control,
    keyArn: storage.key.keyArn,
    secretKeys: deployment.kms?.secretKeys ?? [],
    databaseKeys: deployment.kms?.databaseKeys ?? [],
  };
  const shared = { ...props, deployable, ground, key: storage.key };
  const service = new ServiceStack(app, stackName(name, 'service'), { ...shared, code: Code.fromAsset(folder) });
  const sources = deployable.sources.map((source) => {
    const stack = new SourceStack(app, stackName(name, `source-${source.name}`), { ...shared, code: Code.fromAsset(folder), source });
    stack.addStackDependency(service);
    Tags.of(stack).add('lifeboat:source', source.name);
    return stack;
  });
  Tags.of(app).add('lifeboat:environment', name);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { storage, service, sources };
};
