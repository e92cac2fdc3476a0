import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/backup/types.ts';
import type { Content } from '../support/fake-server.ts';
import { openSystem, outputOf, SOURCE } from '../support/system.ts';

/** Of one payload of a state machine, in bytes: they carry pointers only. */
const PAYLOAD_MAX_BYTES = 32 * 1024;

const bytesOf = (value: Json): number => Buffer.byteLength(JSON.stringify(value));

/** Many classes, long names, values that no payload may ever hold. */
const content = (): Content =>
  new Map(
    Array.from({ length: 60 }, (_, n) => [
      `class ${n} ${'with a long name '.repeat(20)}`,
      new Map(Array.from({ length: 10 }, (__, row) => [`key ${row}`, `SECRET ${'x'.repeat(1000)}`])),
    ]),
  );

describe('what passes through a state machine', () => {
  it('is small, whatever the source is, and never holds its content', async () => {
    const seen: { readonly step: string; readonly payload: Json; readonly answer: Json }[] = [];
    const system = openSystem({
      behaviour: { segmentMs: 0 },
      around: async (step, payload, call) => {
        const answer = await call();
        seen.push({ step, payload, answer });
        return answer;
      },
    });
    system.server.database('sea').content = content();
    outputOf(await system.run('backup'));
    outputOf(await system.run('drill'));
    outputOf(await system.run('restore', { target: 'spare' }));
    for (const { step, payload, answer } of seen) {
      expect(bytesOf(payload), `input of ${step}`).toBeLessThanOrEqual(PAYLOAD_MAX_BYTES);
      expect(bytesOf(answer), `answer of ${step}`).toBeLessThanOrEqual(PAYLOAD_MAX_BYTES);
      expect(JSON.stringify([payload, answer])).not.toContain('SECRET');
    }
    const used = [...new Set(seen.map(({ step }) => step))].sort();
    const files = readdirSync(new URL('../../functions/', import.meta.url)).map((file) => file.replace(/\.ts$/, ''));
    const shared = [
      'inputs',
      'step',
      'restore-task',
      'abort-backup',
      'abort-restore',
      'janitor',
      'notify',
      'watch',
      'probe-source',
      'probe-target',
    ];
    expect(used).toEqual(files.filter((file) => !shared.includes(file)).sort());
  });

  it('stays small when a restore finds a thousand differences', async () => {
    const system = openSystem({ behaviour: { segmentMs: 0, losesRows: true } });
    system.server.database('sea').content = content();
    outputOf(await system.run('backup'));
    const { outcome } = await system.run('restore', { target: 'spare' });
    expect(outcome).toMatchObject({ status: 'FAILED', error: 'DigestMismatch' });
    expect(bytesOf(outcome.status === 'SUCCEEDED' ? outcome.output : outcome.cause)).toBeLessThanOrEqual(PAYLOAD_MAX_BYTES);
  });
});

describe('the functions', () => {
  it('are started with {} and the name of a source, and do the sensible thing', async () => {
    const system = openSystem({ behaviour: { segmentMs: 0 } });
    expect(outputOf(await system.run('backup', {}))).toMatchObject({ source: SOURCE, already: false });
    expect(outputOf(await system.run('drill', {}))).toMatchObject({ verdict: 'PASSED' });
  });

  it('refuse an input that is not theirs', async () => {
    const system = openSystem();
    await expect(system.invoke('end-backup', { source: SOURCE, backup: 'not an id' })).rejects.toMatchObject({ name: 'ZodError' });
    await expect(system.invoke('hold', { source: SOURCE, backup: '20261121T013000Z-4f2a', lane: 2, round: 0 })).rejects.toMatchObject({
      name: 'ZodError',
    });
    await expect(
      system.invoke('start-backup', {
        source: 'lake',
        scheduledTime: null,
        schedule: null,
        execution: 'x',
        startedAt: '2026-11-21T01:30:00Z',
      }),
    ).rejects.toMatchObject({ name: 'UnknownSource' });
  });

  it('hold no logic: none is longer than a page', () => {
    for (const file of readdirSync(new URL('../../functions/', import.meta.url)))
      expect(readFileSync(new URL(`../../functions/${file}`, import.meta.url), 'utf8').split('\n').length, file).toBeLessThan(110);
  });
});
