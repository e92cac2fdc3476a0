import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, chooseBackup, SELECTIONS } from '../../src/drill/choose.ts';
import { LifeboatError } from '../../src/errors.ts';
import { idOf } from './samples.ts';

const at = (day: number, proof: Candidate['proof'] = { state: 'never' }): Candidate => ({
  backup: idOf(`202611${String(day).padStart(2, '0')}T013000Z-4f2a`),
  proof,
  state: 'sound',
});

const drilled = (day: number, on: string, state: 'PASSED' | 'FAILED' | 'NOT_MEASURED' = 'PASSED'): Candidate =>
  at(day, { state, at: on, drill: 'd' });

const broken = (day: number): Candidate => ({
  ...at(day),
  state: 'broken',
  problem: new LifeboatError('ManifestInvalid', `backup of day ${day} is damaged`),
});

describe('chooseBackup', () => {
  it('takes the newest or the oldest by id, whatever the order of the list', () => {
    const entries = [at(3), at(1), at(2)];
    expect(chooseBackup(entries, 'latest')).toEqual({ entry: at(3), why: 'the newest of 3 backups' });
    expect(chooseBackup(entries, 'oldest')).toEqual({ entry: at(1), why: 'the oldest of 3 backups' });
    expect(chooseBackup([at(7)], 'oldest').why).toBe('the oldest of 1 backup');
  });

  it('takes the newest that was never drilled, also when no selection is given', () => {
    const entries = [at(1), at(2), drilled(3, '2026-11-03T03:00:00.000Z')];
    expect(chooseBackup(entries)).toEqual({ entry: at(2), why: 'the newest of 2 never drilled, of 3 backups' });
    expect(chooseBackup(entries.slice(1), 'never-drilled').why).toBe('the only one never drilled, of 2 backups');
  });

  it('takes the one drilled longest ago once all were drilled, and says how that ended', () => {
    const longest = drilled(2, '2026-11-05T03:00:00.000Z', 'NOT_MEASURED');
    const entries = [drilled(1, '2026-11-09T03:00:00.000Z'), longest, drilled(3, '2026-11-08T03:00:00.000Z')];
    expect(chooseBackup(entries, 'never-drilled')).toEqual({
      entry: longest,
      why: 'every backup was drilled before; this one longest ago (2026-11-05T03:00:00.000Z, NOT MEASURED)',
    });
  });

  it('draws the same backup for the same seed, and reaches every one', () => {
    const entries = [at(1), at(2), at(3), at(4), at(5)];
    const draw = (seed: number) => chooseBackup(entries, 'random', seed).entry.backup;
    expect(draw(42)).toBe(draw(42));
    const counts = Map.groupBy(
      Array.from({ length: 2000 }, (_, seed) => draw(seed)),
      (backup) => backup,
    );
    expect([...counts.values()].every((drawn) => drawn.length > 300 && drawn.length < 500)).toBe(true);
    expect(counts.size).toBe(5);
    expect(chooseBackup(entries, 'random', 42).why).toBe('drawn at random out of 5 backups with seed 42');
  });

  it('does not depend on the order of the list, and never takes a broken one', () => {
    const entry = fc.record({ day: fc.integer({ min: 1, max: 28 }), kind: fc.constantFrom('never', 'drilled', 'broken') });
    fc.assert(
      fc.property(
        fc.uniqueArray(entry, { selector: ({ day }) => day, minLength: 1 }),
        fc.constantFrom(...SELECTIONS),
        fc.nat(),
        (drawn, selection, seed) => {
          const entries = drawn.map(({ day, kind }) =>
            kind === 'broken' ? broken(day) : kind === 'never' ? at(day) : drilled(day, `2026-11-${day}`),
          );
          const choose = (list: readonly Candidate[]) => {
            try {
              return chooseBackup(list, selection, seed);
            } catch (error) {
              return error;
            }
          };
          const chosen = choose(entries);
          expect(choose(entries.toReversed())).toEqual(chosen);
          if (!(chosen instanceof Error)) expect(chosen).toHaveProperty('entry.state', 'sound');
        },
      ),
    );
  });

  it('counts broken backups aloud, and fails with what is wrong when the newest is asked for', () => {
    expect(chooseBackup([at(1), broken(2)], 'never-drilled').why).toBe('the only one never drilled, of 1 backup; 1 more cannot be read');
    expect(() => chooseBackup([at(1), broken(2)], 'latest')).toThrow('backup of day 2 is damaged');
    expect(() => chooseBackup([broken(1), broken(2)], 'random')).toThrow('backup of day 2 is damaged');
    expect(chooseBackup([broken(1), at(2)], 'latest').entry).toEqual(at(2));
  });

  it.each(SELECTIONS)('fails by name when there is no backup (%s)', (selection) => {
    expect(() => chooseBackup([], selection, 7)).toThrow(expect.objectContaining({ code: 'NoSuchBackup' }));
  });
});
