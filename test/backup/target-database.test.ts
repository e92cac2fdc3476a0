import { describe, expect, it } from 'vitest';
import { type FoundDatabase, requireOwn, wayInto } from '../../src/backup/target-database.ts';

const empty: FoundDatabase = { name: 'copy', marker: undefined, samePlace: false, occupants: '' };
const OURS = { restore: 'arn:ours', since: '2026-11-21 01:30:00' };
const OTHERS = { restore: 'arn:others', since: '2026-11-20 01:30:00' };
const ours = { restore: OURS.restore, overwrite: false };

describe('the way into a database', () => {
  it.each<[string, Partial<FoundDatabase>, boolean, string]>([
    ['takes an empty one', {}, false, 'take'],
    ['takes the source’s own place when it is empty', { samePlace: true }, false, 'take'],
    ['goes on with what this restore began', { marker: OURS, occupants: '3 tables (a, …)' }, false, 'resume'],
    ['goes on without cleaning again', { marker: OURS, occupants: '3 tables (a, …)' }, true, 'resume'],
    ['cleans what is to be overwritten', { occupants: '3 tables (a, …)' }, true, 'clean'],
    ['cleans after a restore that did not end', { marker: OTHERS }, true, 'clean'],
  ])('%s', (_name, found, overwrite, way) => {
    expect(wayInto({ ...empty, ...found }, { ...ours, overwrite })).toBe(way);
  });

  it.each<[string, Partial<FoundDatabase>, boolean, string, RegExp]>([
    ['never overwrites the source', { samePlace: true }, true, 'TargetIsSource', /never overwritten/],
    ['never fills the source', { samePlace: true, occupants: '1 table (a)' }, false, 'TargetIsSource', /not empty: 1 table \(a\)/],
    ['leaves others’ restores alone', { marker: OTHERS }, false, 'TargetUnusable', /arn:others, begun 2026-11-20/],
    ['leaves others’ objects alone', { occupants: '1 table (a)' }, false, 'TargetNotEmpty', /"copy" is not empty: 1 table \(a\)/],
  ])('%s', (_name, found, overwrite, code, message) => {
    const enter = () => wayInto({ ...empty, ...found }, { ...ours, overwrite });
    expect(enter).toThrow(expect.objectContaining({ code }));
    expect(enter).toThrow(message);
  });

  it('is open to the restore of the marker alone', () => {
    expect(() => requireOwn('copy', OURS, OURS.restore)).not.toThrow();
    expect(() => requireOwn('copy', OTHERS, OURS.restore)).toThrow(/marked by another restore, arn:others/);
    expect(() => requireOwn('copy', undefined, OURS.restore)).toThrow(/has no marker/);
  });
});
