import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scratchKey } from '../../src/backup/layout.ts';
import { acquireLease, releaseLease } from '../../src/backup/lease.ts';
import { createJson } from '../../src/backup/objects.ts';
import type { Runtime } from '../../src/backup/runtime.ts';
import type { Proof } from '../../src/backup/types.ts';
import { metricsLine, observe } from '../../src/drill/watch.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { ID, LATER_ID, proof, putBackup, putProof } from '../cli/support.ts';

const NOW = new Date('2026-11-21T12:00:00.000Z');
const HOUR = 3600;

const unexpected = (): never => {
  throw new Error('the watcher has no use for this');
};

const runtimeWith = (executions: Runtime['executionState'] = async () => 'gone'): Runtime => ({
  store: memoryStore(),
  control: memoryStore(),
  services: { secret: unexpected, now: () => NOW, temporary: '/nonexistent' },
  tool: 'test',
  report: unexpected,
  openSpool: unexpected,
  now: () => NOW,
  sleep: unexpected,
  executionState: executions,
});

const newest = { backup: LATER_ID, at: '2026-11-21T01:30:00.000Z' };
const oldest = { backup: ID, at: '2026-11-20T01:30:00.000Z' };
const proven = (changes: Partial<Proof> = {}) => proof('PASSED', { backup: ID, ...changes });

describe('what the watcher sees', () => {
  it('is no age where there is no backup: a missing metric alarms', async () => {
    expect(await observe(runtimeWith(), 'catalog')).toEqual({ source: 'catalog', leaseAgeSeconds: 0, orphans: 0 });
  });

  it('is the age of the newest backup, and that of the newest that was proven', async () => {
    const runtime = runtimeWith();
    await putBackup(runtime.store, oldest);
    await putBackup(runtime.store, newest);
    await putProof(runtime.store, proven());
    expect(await observe(runtime, 'catalog')).toMatchObject({ backupAgeSeconds: 10.5 * HOUR, provenAgeSeconds: 34.5 * HOUR });
  });

  it('counts no proof that a later drill of the same backup contradicts', async () => {
    const runtime = runtimeWith();
    await putBackup(runtime.store, oldest);
    await putProof(runtime.store, proven());
    await putProof(runtime.store, proof('NOT_MEASURED', { backup: ID, drill: '20261121T040000Z-91bc' }));
    expect(await observe(runtime, 'catalog')).toHaveProperty('provenAgeSeconds');
    await putProof(runtime.store, proof('FAILED', { backup: ID, drill: '20261121T050000Z-91bc' }));
    expect(await observe(runtime, 'catalog')).not.toHaveProperty('provenAgeSeconds');
  });

  it('sees a backup shrink, and none grow', async () => {
    const runtime = runtimeWith();
    await putBackup(runtime.store, { ...oldest, rows: 1000, texts: ['a'.repeat(40), 'b'.repeat(40)] });
    await putBackup(runtime.store, { ...newest, rows: 250, texts: ['a'.repeat(40), 'b'.repeat(40), 'c'] });
    expect(await observe(runtime, 'catalog')).toMatchObject({ rowsDroppedPercent: 75, bytesDroppedPercent: 0 });
  });

  it('knows how long a lease is held, and that a free one is not', async () => {
    const runtime = runtimeWith();
    const expiresAt = new Date(Date.now() + 12 * HOUR * 1000);
    const { token } = await acquireLease(runtime.control, {
      source: 'catalog',
      execution: 'arn:a',
      expiresAt,
      now: new Date(),
      ownerState: async () => 'running',
    });
    const later = { ...runtime, now: () => new Date(Date.now() + 2 * HOUR * 1000) };
    expect((await observe(later, 'catalog')).leaseAgeSeconds).toBeGreaterThanOrEqual(2 * HOUR);
    await releaseLease(runtime.control, 'catalog', token);
    expect(await observe(later, 'catalog')).toMatchObject({ leaseAgeSeconds: 0 });
  });

  it('counts scratch targets that nobody owns', async () => {
    const runtime = runtimeWith(async (arn) => (arn === 'arn:running' ? 'running' : 'gone'));
    const scratch = { target: 'drills', expiresAt: '2026-11-23T00:00:00.000Z' };
    for (const owner of ['arn:running', 'arn:gone'])
      await createJson(runtime.control, scratchKey('catalog', owner.slice(4)), { ...scratch, name: owner, drill: owner.slice(4), owner });
    expect(await observe(runtime, 'catalog')).toMatchObject({ orphans: 1 });
  });
});

const Line = z.looseObject({
  _aws: z.object({
    Timestamp: z.int(),
    CloudWatchMetrics: z
      .array(
        z.object({
          Namespace: z.string(),
          Dimensions: z.array(z.array(z.string())),
          Metrics: z.array(z.object({ Name: z.string(), Unit: z.string() })),
        }),
      )
      .length(1),
  }),
});

describe('a line of metrics', () => {
  const place = { environment: 'prod', namespace: 'Lifeboat' };

  it('has a value for every metric and dimension that it names', () => {
    const text = metricsLine({ source: 'catalog', backupAgeSeconds: 60, leaseAgeSeconds: 0, orphans: 2 }, place, NOW);
    expect(text).not.toContain('\n');
    const line = Line.parse(JSON.parse(text));
    const [{ Namespace, Dimensions, Metrics } = { Namespace: '', Dimensions: [], Metrics: [] }] = line._aws.CloudWatchMetrics;
    expect({ Namespace, Dimensions, at: line._aws.Timestamp }).toEqual({
      Namespace: 'Lifeboat',
      Dimensions: [['Environment', 'Source']],
      at: NOW.getTime(),
    });
    expect(Metrics.map(({ Name }) => [Name, line[Name]])).toEqual([
      ['BackupAge', 60],
      ['LeaseAge', 0],
      ['Orphans', 2],
    ]);
    expect(line).toMatchObject({ Environment: 'prod', Source: 'catalog' });
  });

  it('leaves out what is not known', () => {
    expect(metricsLine({ source: 'catalog', leaseAgeSeconds: 0, orphans: 0 }, place, NOW)).not.toContain('BackupAge');
  });
});
