import { join, resolve } from 'node:path';
import { App } from 'aws-cdk-lib';
import { loadEnvironment } from '../src/environment/environment.ts';
import { isLifeboatError, LifeboatError } from '../src/errors.ts';
import { bundle } from './bundle.ts';
import { deployable } from './deployable.ts';
import { lifeboat } from './lifeboat.ts';

/** What `cdk` runs: `npx cdk synth -c env=example`. Needs no credentials, and looks nothing up. */
const ROOT = resolve(import.meta.dirname, '..');

const synthesize = async (app: App): Promise<void> => {
  const name: unknown = app.node.tryGetContext('env');
  if (typeof name !== 'string')
    throw new LifeboatError('Usage', 'which environment is meant?', { hint: 'Add -c env=<name>, a file of environments/.' });
  const checked = deployable(await loadEnvironment(name, { root: ROOT }));
  const { folder } = await bundle(checked.environment, join(ROOT, '.build', 'functions', checked.name));
  lifeboat(app, checked, folder);
  app.synth();
};

try {
  await synthesize(new App());
} catch (error) {
  // The stack of a mistake in a configuration file helps nobody.
  if (!isLifeboatError(error)) throw error;
  process.stderr.write(`error: ${error.message}\nhint: ${error.hint}\n`);
  process.exitCode = 1;
}
