import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { definitionOf, machineDuty, substitutionsOf } from '../../infra/machines.ts';
import { MACHINES, placeholderOf } from '../../src/environment/names.ts';
import { NOTIFY, SIZES, STEPS, WATCH } from '../../src/environment/steps.ts';
import { ROOT } from './support.ts';

const ground = {
  environment: 'prod',
  account: '123456789012',
  region: 'eu-central-1',
  store: { bucket: 'store', prefix: '' },
  control: { bucket: 'control', prefix: 'c/' },
  keyArn: 'arn:aws:kms:eu-central-1:123456789012:key/k',
  secretKeys: [],
  databaseKeys: [],
};

interface TaskState {
  readonly Arguments: { readonly FunctionName?: string };
  readonly TimeoutSeconds: number;
}

/** Every task of a machine, at whatever depth. */
const tasksOf = (value: unknown): TaskState[] => {
  if (typeof value !== 'object' || value === null) return [];
  const own = 'Type' in value && value.Type === 'Task' ? [value as unknown as TaskState] : [];
  return [...own, ...Object.values(value).flatMap(tasksOf)];
};

describe('the steps that are deployed', () => {
  it('are the files of functions/ that have a handler', () => {
    const files = readdirSync(join(ROOT, 'functions')).filter((file) =>
      /^export const handler\b/m.test(readFileSync(join(ROOT, 'functions', file), 'utf8')),
    );
    expect([...Object.keys(STEPS), WATCH, NOTIFY].map((step) => `${step}.ts`).sort()).toEqual(files.sort());
  });

  it.each(MACHINES)('are what the %s machine calls', (machine) => {
    const called = tasksOf(JSON.parse(definitionOf(machine))).flatMap(
      ({ Arguments }) => /\$\{(\w+)\}/.exec(Arguments.FunctionName ?? '')?.[1] ?? [],
    );
    const own = Object.entries(STEPS).filter(([, step]) => step.machine === machine);
    expect(called.sort()).toEqual(own.map(([step]) => placeholderOf(step)).sort());
  });

  it.each(MACHINES)('end before the %s machine stops waiting', (machine) => {
    const waits = new Map(tasksOf(JSON.parse(definitionOf(machine))).map((task) => [task.Arguments.FunctionName, task.TimeoutSeconds]));
    for (const [step, { machine: own, size }] of Object.entries(STEPS))
      if (own === machine) expect(waits.get(`\${${placeholderOf(step)}}`), step).toBeGreaterThan(SIZES[size].seconds);
  });

  it.each(MACHINES)('leave no placeholder of %s open', (machine) => {
    const names = substitutionsOf(ground, 'catalog', machine);
    const text = definitionOf(machine).replace(/\$\{(\w+)\}/g, (_, name: string) => names[name] ?? 'OPEN');
    expect(text).not.toMatch(/OPEN|\$\{\w+\}/);
    expect(JSON.parse(text)).toMatchObject({ QueryLanguage: 'JSONata' });
  });

  it('are the only ones that their machine may call', () => {
    const [invoke] = machineDuty(ground, 'catalog', 'drill');
    expect(invoke?.resources).toContain('arn:aws:lambda:eu-central-1:123456789012:function:prod-catalog-negative-control');
    expect(invoke?.resources.join()).not.toMatch(/dump-task|load-task|\*/);
  });
});
