import { describe, expect, it } from 'vitest';
import { type Resource, synthesized } from './support.ts';

/** What changes with every change of the code or of a state machine has tests of its own. */
const CHANGING = new Set(['DefinitionString', 'DashboardBody', 'Code']);

const steady = (template: object): unknown =>
  JSON.parse(JSON.stringify(template, (key, value: unknown) => (CHANGING.has(key) ? '…' : value)));

describe('the example environment', () => {
  const { storage, service, sources, template } = synthesized();
  // The other sources differ from the first by their names, which assertions cover.
  const shown = sources.filter(({ stackName }) => /-(catalog-prod|warehouse)$/.test(stackName));
  it.each([storage, service, ...shown].map((stack) => [stack.stackName, stack] as const))(
    '%s is what it was',
    async (name, stack) => {
      const { Resources } = template(stack).toJSON() as { Resources: Record<string, Resource> };
      const own = Object.fromEntries(Object.entries(Resources).filter(([, { Type }]) => Type !== 'AWS::CDK::Metadata'));
      await expect(`${JSON.stringify(steady(own), null, 1)}\n`).toMatchFileSnapshot(`snapshots/${name}.snap`);
      // The first of them synthesizes all.
    },
    120_000,
  );
});
