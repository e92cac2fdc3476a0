import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import cdk from '../../cdk.json' with { type: 'json' };
import example from '../../environments/example.json' with { type: 'json' };
import { type Deployable, deployable } from '../../infra/deployable.ts';
import { type Lifeboat, lifeboat } from '../../infra/lifeboat.ts';
import { parseEnvironment } from '../../src/environment/parse.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

/** In place of the bundles, whose bytes change with every change of the code. */
const bundles = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-infra-'));
  writeFileSync(join(folder, 'dump-task.mjs'), 'export const handler = async () => ({});\n');
  return folder;
};

type Raw = Record<string, unknown>;

/** The example environment, changed. */
export const exampleWith = (change: (raw: Raw & typeof example) => unknown = () => undefined): Raw => {
  const raw = structuredClone(example);
  change(raw);
  return raw;
};

export const deployableOf = (raw: unknown, name = 'example'): Deployable => deployable(parseEnvironment(raw, { name, root: ROOT }));

export interface Synthesized extends Lifeboat {
  readonly app: App;
  readonly template: (stack: Stack) => Template;
}

/** All stacks of an environment, without bundling. */
export const synthesized = (raw: unknown = exampleWith(), name = 'example'): Synthesized => {
  const app = new App({ context: cdk.context });
  return { app, ...lifeboat(app, deployableOf(raw, name), bundles()), template: (stack) => Template.fromStack(stack) };
};

export const sourceStack = ({ sources }: Lifeboat, source: string): Stack => {
  const found = sources.find(({ stackName }) => stackName.endsWith(`-source-${source}`));
  if (found === undefined) throw new Error(`there is no stack of ${source}`);
  return found;
};

export type Resource = { readonly Type: string; readonly Properties: Record<string, unknown> };

export const resourcesOf = (template: Template, type: string): Resource[] =>
  Object.values(template.findResources(type)).map(({ Type, Properties }): Resource => ({ Type, Properties }));
