import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { MachineName } from '../../src/environment/names.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { Ended } from '../../src/machines/ended.ts';
import { artifactOf, leaseHolder, listed, mustVerify, objectsOf, soundManifests } from '../support/checks.ts';
import { type Content, exampleContent, textOf } from '../support/fake-server.ts';
import { type Fate, type Moment, openSystem, outputOf, SOURCE, type System } from '../support/system.ts';

/**
 * One thing goes wrong, once, at each kind of moment of each function: before and after every kind of write, at every read, in the
 * middle of reading the source and of loading the target.
 */

// Other work on the machine may slow this down.
vi.setConfig({ testTimeout: 180_000 });

const small = (): Content => new Map([...exampleContent()].map(([name, rows]) => [name, new Map([...rows].slice(0, 6))]));
const TRUTH = textOf(small());

const open = (fate?: (moment: Moment) => Fate): System => {
  const system = openSystem({
    behaviour: { rowsPerTask: 4, rowsPerSegment: 2 },
    source: { retention: { last: 2 } },
    random: () => 0.5,
    ...(fate === undefined ? {} : { fate }),
  });
  system.server.database('sea').content = small();
  return system;
};

interface Kind {
  readonly step: string;
  readonly what: string;
  readonly times: number;
}

const nameOf = (moment: Moment): string => `${moment.invocation?.step} ${moment.what}`;

/** The kinds of moments of a run in which nothing goes wrong. */
const kindsOf = async (machine: MachineName): Promise<Kind[]> => {
  const counts = new Map<string, number>();
  let counting = false;
  const system = open((moment) => {
    if (counting) counts.set(nameOf(moment), (counts.get(nameOf(moment)) ?? 0) + 1);
    return 'go on';
  });
  if (machine !== 'backup') outputOf(await system.run('backup'));
  counting = true;
  outputOf(await system.run(machine));
  return [...counts].map(([name, times]) => ({ step: name.split(' ')[0] ?? '', what: name.slice(name.indexOf(' ') + 1), times }));
};

/** A run in which `fate` strikes at the nth moment of this kind. */
const struck = async (machine: MachineName, { step, what }: Kind, nth: number, fate: Fate) => {
  let seen = 0;
  let armed = false;
  const system = open((moment) => {
    if (!armed || nameOf(moment) !== `${step} ${what}`) return 'go on';
    seen += 1;
    return seen === nth ? fate : 'go on';
  });
  if (machine !== 'backup') outputOf(await system.run('backup'));
  armed = true;
  const ended = await system.run(machine);
  armed = false;
  return { system, ended };
};

const backupIsWhole = async (system: System): Promise<void> => {
  const manifests = await soundManifests(system.store);
  expect(manifests).toHaveLength(1);
  for (const manifest of manifests) {
    await mustVerify(system.store, manifest);
    expect(await artifactOf(system.store, manifest)).toBe(TRUTH);
  }
};

const nothingIsLeft = async (system: System): Promise<void> => {
  // As it does every hour: what a step could not discard stays until then.
  await system.invoke('janitor', { source: SOURCE });
  expect(await leaseHolder(system.control, SOURCE)).toBeUndefined();
  expect([...system.server.databases.keys()].sort()).toEqual(['sea', 'spare']);
  expect(textOf(system.server.database('sea').content)).toBe(TRUTH);
};

const whole: Readonly<Record<MachineName, (system: System) => Promise<void>>> = {
  backup: backupIsWhole,
  restore: async (system) => {
    await backupIsWhole(system);
    expect(system.server.database('spare').marker).toBeUndefined();
    expect(textOf(system.server.database('spare').content)).toBe(TRUTH);
  },
  drill: async (system) => {
    await backupIsWhole(system);
    expect((await listed(system.store)).map((entry) => entry.proof.state)).toEqual(['PASSED']);
  },
};

/** Lane 0 that dies after it opened the instant, and before lane 1 has joined it, was the only one that held it. */
const isLostTogether = async (system: System, { step }: Kind, { outcome }: Ended): Promise<boolean> => {
  if (step !== 'hold' || outcome.status === 'SUCCEEDED' || outcome.error !== 'InstantLost') return false;
  const keys = [...(await objectsOf(system.control)).keys()].filter((key) => key.includes('/instants/'));
  expect(keys).toHaveLength(1);
  expect(await listed(system.store)).toEqual([]);
  await nothingIsLeft(system);
  return true;
};

const isStore = ({ what }: Kind): boolean => what.startsWith('store.') || what.startsWith('control.');

describe.each(['backup', 'restore', 'drill'] as const)('%s', (machine) => {
  let kinds: readonly Kind[];
  beforeEach(async () => {
    kinds = await kindsOf(machine);
    expect(kinds.length).toBeGreaterThan(50);
  });

  it('goes on when a function is killed, at any moment', async () => {
    for (const kind of kinds)
      for (const nth of new Set([1, kind.times])) {
        const { system, ended } = await struck(machine, kind, nth, 'kill');
        if (await isLostTogether(system, kind, ended)) continue;
        expect.soft(ended.outcome, `${kind.step} killed at ${kind.what} ${nth}`).toMatchObject({ status: 'SUCCEEDED' });
        if (ended.outcome.status !== 'SUCCEEDED') continue;
        await whole[machine](system);
        await nothingIsLeft(system);
      }
  });

  it('goes on when a store is unavailable for a moment', async () => {
    for (const kind of kinds.filter(isStore)) {
      const { system, ended } = await struck(machine, kind, 1, new LifeboatError('StoreUnavailable', 'by plan'));
      if (await isLostTogether(system, kind, ended)) continue;
      expect.soft(ended.outcome, `${kind.step} at ${kind.what}`).toMatchObject({ status: 'SUCCEEDED' });
      if (ended.outcome.status !== 'SUCCEEDED') continue;
      await whole[machine](system);
      await nothingIsLeft(system);
    }
  });

  it('fails by name when a store refuses, loses nothing that was good, and works again afterwards', async () => {
    for (const kind of kinds.filter(isStore)) {
      const { system, ended } = await struck(
        machine,
        kind,
        1,
        new LifeboatError('StoreDenied', `${kind.what} is not allowed`, { hint: 'Ask.' }),
      );
      const where = `${kind.step} at ${kind.what}`;
      const before = await soundManifests(system.store);
      if (ended.outcome.status !== 'SUCCEEDED') {
        const said =
          ended.outcome.error === 'NotMeasured' ? JSON.stringify(await system.failures()) + ended.outcome.cause : ended.outcome.error;
        expect.soft(said, where).toContain('StoreDenied');
      }
      for (const manifest of before) expect(await artifactOf(system.store, manifest), where).toBe(TRUTH);
      system.server.make('spare');
      await system.run('backup').then(outputOf);
      expect.soft(await soundManifests(system.store), where).toHaveLength(before.length + 1);
      await nothingIsLeft(system);
    }
  });
});
