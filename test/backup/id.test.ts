import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backupId, parseBackupId, timeOf } from '../../src/backup/id.ts';

const seconds = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });

describe('backup ids', () => {
  it('are the time and the start of the hash of the ARN', () => {
    const hash = createHash('sha256').update('arn:schedule').digest('hex');
    expect(backupId(new Date('2026-11-21T01:30:00.999Z'), 'arn:schedule')).toBe(`20261121T013000Z-${hash.slice(0, 4)}`);
  });

  it('come back, and tell their second', () => {
    fc.assert(
      fc.property(seconds, fc.string(), (at, arn) => {
        const id = backupId(at, arn);
        expect(parseBackupId(id)).toBe(id);
        expect(timeOf(id).getTime()).toBe(Math.floor(at.getTime() / 1000) * 1000);
      }),
    );
  });

  it('sort by time', () => {
    fc.assert(
      fc.property(seconds, seconds, fc.string(), fc.string(), (a, b, x, y) => {
        const [left, right] = [backupId(a, x), backupId(b, y)];
        if (timeOf(left) < timeOf(right)) expect(left < right).toBe(true);
      }),
    );
  });

  it.each([
    'latest',
    '',
    '20261121T013000Z',
    '20261121T013000Z-4F2A',
    '20261121T013000Z-4f2ab',
    '20260230T013000Z-4f2a',
    '20261121T240000Z-4f2a',
    '20261121T013060Z-4f2a',
    '20261121T013000Z-4f2a\n',
    '../0261121T013000Z-4f2a',
  ])('%j is none', (text) => {
    expect(parseBackupId(text)).toBeUndefined();
  });

  it('refuses a time that is none', () => {
    expect(() => backupId(new Date('tomorrow'), 'arn')).toThrow('no backup id can be made');
    expect(() => backupId(new Date('+010000-01-01T00:00:00Z'), 'arn')).toThrow('no backup id can be made');
  });
});
