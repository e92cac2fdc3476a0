import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ordinal } from '../../src/backup/ordinal.ts';
import type { Json } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import { dumpInto } from '../../src/local/direct.ts';
import type { TaskContext } from '../../src/sources/contract.ts';
import { idAt } from '../backup/examples.ts';
import { fakes } from '../support/by-hand.ts';
import { streamOf } from '../support/bytes.ts';
import { textOf } from '../support/fake-server.ts';
import { memoryRuntime } from '../support/runtime.ts';

const sink = (fail?: Error) => {
  const chunks: Buffer[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done(fail);
    },
  });
  out.on('error', () => {});
  return { out, text: () => Buffer.concat(chunks).toString('utf8') };
};

const dump = (source: ReturnType<typeof fakes>['source'], out: Writable, signal = new AbortController().signal) =>
  dumpInto(source, out, { backup: idAt('2026-11-21T01:30:00Z'), report: () => {}, signal });

describe('a dump without a store', () => {
  it.each([true, false])('writes the whole artifact in order (an instant that lives in a session: %s)', async (holds) => {
    const runtime = memoryRuntime();
    const all = fakes(runtime, { holds, segmentMs: 0 });
    const { out, text } = sink();
    const done = await dump(all.source, out);
    expect(text()).toMatch(/^begin\t[\s\S]*\nend\t33\n$/);
    expect(done).toMatchObject({ segments: 13, bytes: Buffer.byteLength(text()) });
    expect(done.conclusion.assertions).toEqual([{ name: 'fake.rows', value: '33' }]);
    expect(done.digests.map(({ name }) => name)).toEqual(['notes', 'orders', 'people']);
    const loaded = await all
      .target('spare')
      .loadArtifact(streamOf(text()), { overwrite: false, signal: new AbortController().signal, progress: () => {} });
    expect(loaded.rows).toBe('33');
    expect(textOf(all.server.database('spare').content)).toBe(textOf(all.server.database('sea').content));
  });

  it('writes one segment after the other, though a source fills the next one meanwhile', async () => {
    const all = fakes(memoryRuntime(), { segmentMs: 0 });
    const slowly = async function* (text: string, ms: number) {
      for (const letter of text) {
        await sleep(ms);
        yield Buffer.from(letter);
      }
    };
    const source = {
      ...all.source,
      dump: {
        ...all.source.dump,
        plan: async function* () {
          yield { task: {} };
        },
        run: async (_task: Json, { write }: TaskContext) => {
          const as = { encoding: 'zstd', extension: 'sql.zst' } as const;
          const segments = [write.write(ordinal(0, 0), slowly('first', 4), as), write.write(ordinal(1, 0), slowly('second', 0), as)];
          return { segments: await Promise.all(segments), digests: [] };
        },
      },
    };
    const { out, text } = sink();
    await dump(source, out).catch(() => {});
    expect(text()).toMatch(/^firstsecond/);
  });

  it('refuses a source with a problem, and opens nothing', async () => {
    const all = fakes(memoryRuntime(), { problem: { code: 'RowSecurity', message: 'a table hides rows', hint: 'Use another role.' } });
    const { out, text } = sink();
    await expect(dump(all.source, out)).rejects.toMatchObject({ code: 'SourceProblem', hint: 'Use another role.' });
    expect(text()).toBe('');
  });

  it('fails with what the source fails with, and lets its instant go', async () => {
    const all = fakes(memoryRuntime(), { holds: true, segmentMs: 0 });
    let held = 0;
    const source = {
      ...all.source,
      hold: async (...given: Parameters<NonNullable<typeof all.source.hold>>) => {
        held += 1;
        await all.source.hold?.(...given);
        held -= 1;
      },
      dump: {
        ...all.source.dump,
        run: async () => {
          throw new LifeboatError('SourceChanged', 'a table is gone');
        },
      },
    };
    await expect(dump(source, sink().out)).rejects.toMatchObject({ code: 'SourceChanged' });
    expect(held).toBe(0);
  });

  it('fails when its instant cannot be opened', async () => {
    const all = fakes(memoryRuntime(), { holds: true });
    const hold = async (): Promise<void> => {
      throw new LifeboatError('ConnectionRefused', 'no answer');
    };
    await expect(dump({ ...all.source, hold }, sink().out)).rejects.toMatchObject({ code: 'ConnectionRefused' });
  });

  it('fails when its reader goes away', async () => {
    const all = fakes(memoryRuntime(), { segmentMs: 0 });
    await expect(dump(all.source, sink(new Error('EPIPE')).out)).rejects.toThrow('EPIPE');
  });

  it('ends when it is told to', async () => {
    const all = fakes(memoryRuntime(), { holds: true, segmentMs: 0 });
    const stop = new AbortController();
    const { out, text } = sink();
    const source = {
      ...all.source,
      dump: {
        ...all.source.dump,
        async run(...given: Parameters<typeof all.source.dump.run>) {
          stop.abort(new LifeboatError('Interrupted', 'Ctrl-C'));
          return all.source.dump.run(...given);
        },
      },
    };
    await expect(dump(source, out, stop.signal)).rejects.toMatchObject({ code: 'Interrupted' });
    expect(text()).not.toContain('end\t');
  });
});
