import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Purpose } from '../src/environment/steps.ts';
import type { DeployableSource } from './deployable.ts';
import {
  createInStore,
  describeExecutions,
  forgetScratch,
  type Ground,
  listUploads,
  pruneStore,
  readControl,
  readSecrets,
  readStore,
  useControl,
} from './grants.ts';

/** What the functions of a purpose may do with the stores, the secrets and the executions of their own source. */
type Duty = (ground: Ground, source: DeployableSource) => PolicyStatement[];

const base: Duty = (ground, { name }) => [...readStore(ground, name), useControl(ground, name)];

/** Only the pruner deletes from the store; only who works on the source has its secret; nobody has another source's. */
export const DUTIES: Readonly<Record<Purpose, Duty>> = {
  planner: (ground, source) => [
    ...base(ground, source),
    createInStore(ground, 'lifeboat.json'),
    describeExecutions(ground, source.name),
    ...readSecrets(ground, source.sourceSecrets),
  ],
  holder: (ground, source) => [...base(ground, source), ...readSecrets(ground, source.sourceSecrets)],
  dumper: (ground, source) => [
    ...base(ground, source),
    createInStore(ground, `${source.name}/backups/*/segments/*`, `${source.name}/backups/*/receipts/*`, `${source.name}/objects/*`),
    ...readSecrets(ground, source.sourceSecrets),
  ],
  sealer: (ground, source) => [...base(ground, source), createInStore(ground, `${source.name}/backups/*`)],
  pruner: (ground, source) => [...base(ground, source), pruneStore(ground, source.name)],
  keeper: base,
  restorer: (ground, source) => [
    ...base(ground, source),
    describeExecutions(ground, source.name),
    ...readSecrets(ground, source.targetSecrets),
  ],
  auditor: (ground, source) => [...base(ground, source), ...readSecrets(ground, source.targetSecrets)],
  driller: (ground, source) => [...base(ground, source), forgetScratch(ground, source.name), ...readSecrets(ground, source.scratchSecrets)],
  recorder: (ground, source) => [...base(ground, source), createInStore(ground, `${source.name}/proofs/*`)],
  janitor: (ground, source) => [
    ...base(ground, source),
    forgetScratch(ground, source.name),
    describeExecutions(ground, source.name),
    ...readSecrets(ground, source.scratchSecrets),
  ],
};

/** The watcher looks at every source and changes nothing. */
export const watcherDuty = (ground: Ground): PolicyStatement[] => [
  ...readStore(ground, '*'),
  listUploads(ground),
  readControl(ground, '*'),
  describeExecutions(ground, '*'),
];
