import { describe, expect, it } from 'vitest';
import { recordFailure } from '../../src/backup/failures.ts';
import { manifestKey, proofKey } from '../../src/backup/layout.ts';
import { acquireLease } from '../../src/backup/lease.ts';
import { readAll } from '../../src/backup/objects.ts';
import { decodeProof } from '../../src/backup/proof.ts';
import type { Proof } from '../../src/backup/types.ts';
import { damageScratch, discardScratch } from '../../src/drill/damage.ts';
import { tidy } from '../../src/drill/janitor.ts';
import { type Found, recordProof } from '../../src/drill/prove.ts';
import { type DrillRecord, readDrill, readManifest, readTampering, scratchName } from '../../src/drill/record.ts';
import { abandonedScratch, provisionScratch } from '../../src/drill/scratch.ts';
import { type ChooseInput, startDrill } from '../../src/drill/start.ts';
import { LifeboatError } from '../../src/errors.ts';
import { readRestore } from '../../src/restore/record.ts';
import { resolveRestore } from '../../src/restore/resolve.ts';
import { backedUp, fakes, restored } from '../support/by-hand.ts';
import { leaseHolder, listed } from '../support/checks.ts';
import { withFaults } from '../support/faults.ts';
import { memoryRuntime, type TestRuntime } from '../support/runtime.ts';
import { ample, spent } from '../support/stages.ts';

const inputOf = (changes: Partial<ChooseInput> = {}): ChooseInput => ({
  source: 'sea',
  backup: null,
  selection: undefined,
  scratch: 'spare',
  seed: 7,
  execution: 'arn:drill',
  startedAt: '2026-11-21T03:00:00.000Z',
  ...changes,
});

const withDrill = async (changes: Partial<ChooseInput> = {}) => {
  const runtime = memoryRuntime();
  const all = fakes(runtime);
  const manifest = await backedUp(runtime, all);
  const record = await startDrill(runtime, inputOf(changes));
  runtime.states.set('arn:drill', 'running');
  await provisionScratch(runtime, record);
  const target = all.target(scratchName(record.drill));
  return { runtime, all, manifest, record, target };
};
type Drilling = Awaited<ReturnType<typeof withDrill>>;

const restore = async ({ runtime, record, target }: Drilling, only: 'audit' | null, execution: string) => {
  const input = {
    source: 'sea',
    backup: record.backup,
    target: null,
    drill: record.drill,
    only,
    overwrite: false,
    execution,
    startedAt: '2026-11-21T03:00:01.000Z',
  };
  const { restore: id } = await resolveRestore(runtime, input, async () => target);
  await restored(runtime, target, await readRestore(runtime, 'sea', id));
  return id;
};

const found = (changes: Partial<Found> = {}): Found => ({
  restored: null,
  audited: null,
  failed: null,
  failure: null,
  goals: {},
  scratch: 'fake://one/scratch',
  ...changes,
});

const proofOf = async ({ runtime, record }: Drilling): Promise<Proof> => {
  const bytes = await readAll(runtime.store, proofKey('sea', record.backup as Proof['backup'], record.drill, 'json'));
  if (bytes === undefined) throw new Error('no proof');
  return decodeProof(bytes);
};

describe('startDrill', () => {
  it('decides once: a repeated step answers what the first one decided', async () => {
    const { runtime, all, record } = await withDrill();
    runtime.states.set('arn:one', 'gone');
    const newer = await backedUp(runtime, all, 'arn:two', new Date('2026-11-21T02:00:00Z'));
    expect(await startDrill(runtime, inputOf())).toEqual(record);
    expect(await startDrill(runtime, inputOf({ execution: 'arn:other' }))).toMatchObject({ backup: newer.backup });
  });

  it('keeps the manifest, so that the drill can end when its backup is gone', async () => {
    const { runtime, record, manifest } = await withDrill();
    await runtime.store.delete(manifestKey('sea', manifest.backup));
    expect(await readManifest(runtime, record)).toEqual(manifest);
  });

  it('survives a death between any two writes', async () => {
    for (let skip = 0; skip < 2; skip++) {
      const base = memoryRuntime();
      await backedUp(base, fakes(base));
      const dying: TestRuntime = {
        ...base,
        control: withFaults(base.control, [{ on: 'create', skip, fault: { kind: 'fail', code: 'StoreUnavailable', after: true } }]),
      };
      await expect(startDrill(dying, inputOf())).rejects.toMatchObject({ code: 'StoreUnavailable' });
      const record = await startDrill(base, inputOf());
      expect(await readManifest(base, record)).toMatchObject({ backup: record.backup });
    }
  });

  it('takes the backup that is asked for, or says that it is not there', async () => {
    const { runtime, manifest } = await withDrill();
    expect(await startDrill(runtime, inputOf({ backup: manifest.backup, execution: 'arn:2' }))).toMatchObject({
      why: `asked for by name: ${manifest.backup}`,
    });
    await expect(startDrill(runtime, inputOf({ backup: '20200101T000000Z-0000', execution: 'arn:3' }))).rejects.toMatchObject({
      code: 'NoSuchBackup',
    });
    await expect(startDrill(memoryRuntime(), inputOf())).rejects.toMatchObject({ code: 'NoSuchBackup' });
    await expect(readDrill(runtime, 'sea', 'never')).rejects.toMatchObject({ code: 'NotMeasured' });
  });
});

describe('the negative control', () => {
  it('damages once, and notes what an audit has to see', async () => {
    const at = await withDrill();
    await restore(at, null, 'arn:restore');
    let calls = 0;
    const counting = { ...at.target, tamper: (...all: Parameters<typeof at.target.tamper>) => ((calls += 1), at.target.tamper(...all)) };
    await damageScratch(at.runtime, counting, at.manifest, at.record, ample);
    await damageScratch(at.runtime, counting, at.manifest, at.record, ample);
    expect(calls).toBe(1);
    expect(await readTampering(at.runtime, at.record)).toEqual({ what: expect.any(Array), classes: ['orders', 'people'] });
  });
});

describe('recordProof', () => {
  const drilled = async (changes: Parameters<typeof fakes>[1] = {}) => {
    const at = await withDrill();
    Object.assign(at.all.behaviour, changes);
    const first = await restore(at, null, 'arn:restore');
    await damageScratch(at.runtime, at.target, at.manifest, at.record, ample);
    const again = await restore(at, 'audit', 'arn:audit');
    const proven = await recordProof(at.runtime, at.record, found({ restored: first, audited: again }));
    return { ...at, proven, first, again };
  };

  it('passes what was restored, equal, and seen to be damaged', async () => {
    const at = await drilled();
    expect(at.proven).toMatchObject({ verdict: 'PASSED', failedChecks: 0, backup: at.manifest.backup });
    expect(at.proven.rtoSeconds).toBeGreaterThan(10);
    expect(await proofOf(at)).toMatchObject({
      verdict: 'PASSED',
      control: { ok: true, expected: ['orders', 'people'], failed: ['orders', 'people'] },
      notMeasured: [],
    });
    const html = Buffer.from((await readAll(at.runtime.store, at.proven.report)) ?? []).toString('utf8');
    expect(html).toContain('PASSED');
  });

  it.each([
    ['lost rows', { losesRows: true }, 'FAILED'],
    ['rows that were never there', { addsRows: true }, 'FAILED'],
    ['an audit that says yes to everything', { auditLies: true }, 'FAILED'],
    ['an audit that says yes to everything, and lost rows', { auditLies: true, losesRows: true }, 'FAILED'],
    ['an audit that looks at nothing', { auditIsBlind: true }, 'NOT_MEASURED'],
    ['damage that was none', { tampersNothing: true }, 'FAILED'],
  ] as const)('does not pass with %s', async (_, changes, verdict) => {
    expect((await drilled(changes)).proven.verdict).toBe(verdict);
  });

  it('stands: a repeated step answers what the first one wrote', async () => {
    const at = await drilled();
    await at.runtime.sleep(60_000);
    const before = await proofOf(at);
    expect(await recordProof(at.runtime, at.record, found({ failed: 'restore', failure: { Error: 'X', Cause: 'y' } }))).toEqual(at.proven);
    expect(await proofOf(at)).toEqual(before);
  });

  it('shows in the catalogue', async () => {
    const at = await drilled();
    expect((await listed(at.runtime.store)).map(({ proof }) => proof.state)).toEqual(['PASSED']);
  });

  const failure = {
    Error: 'ConnectionRefused',
    Cause: JSON.stringify({ errorType: 'ConnectionRefused', errorMessage: 'no answer\nhint: Is it running?' }),
  };

  it.each(['provision', 'restore'] as const)('files an error of %s: nothing was measured', async (failed) => {
    const at = await withDrill();
    expect(await recordProof(at.runtime, at.record, found({ failed, failure }))).toMatchObject({
      verdict: 'NOT_MEASURED',
      rtoSeconds: null,
    });
    expect(await proofOf(at)).toMatchObject({ failure: { code: 'ConnectionRefused', message: 'no answer', hint: 'Is it running?' } });
  });

  it('files an error of the audit under it: it says nothing of the backup', async () => {
    const mismatch = { Error: 'NoSuchObject', Cause: 'a table is gone' };
    const faulty = await withDrill();
    expect(await recordProof(faulty.runtime, faulty.record, found({ failed: 'restore', failure: mismatch }))).toMatchObject({
      verdict: 'FAILED',
    });
    const at = await withDrill();
    await recordFailure(
      at.runtime,
      'sea',
      at.record.drill,
      { step: 'audit', code: 'NoSuchObject', message: 'a table is gone', hint: '' },
      'attempt',
    );
    expect(await recordProof(at.runtime, at.record, found({ failed: 'restore', failure: mismatch }))).toMatchObject({
      verdict: 'NOT_MEASURED',
    });
  });

  it('says that nothing was measured where there is no scratch target', async () => {
    const at = await withDrill({ scratch: null });
    expect(await recordProof(at.runtime, at.record, found())).toMatchObject({ verdict: 'NOT_MEASURED', rtoSeconds: null });
    expect(await proofOf(at)).toMatchObject({ failure: { code: 'NotMeasured', message: 'no scratch target is configured' } });
  });

  it('is not stopped by an earlier proof that is damaged, and names it', async () => {
    const at = await withDrill();
    const damaged = proofKey('sea', at.manifest.backup, '20261101T000000Z-aaaa', 'json');
    await at.runtime.store.create(damaged, Buffer.from('{"formatVersion":1,'));
    await recordProof(at.runtime, at.record, found({ failed: 'restore', failure }));
    expect((await proofOf(at)).notMeasured).toContainEqual({
      what: `the earlier drill ${damaged}`,
      why: expect.stringContaining('cannot be trusted'),
    });
  });

  it('is written for a backup that was pruned meanwhile', async () => {
    const at = await withDrill();
    await at.runtime.store.delete(manifestKey('sea', at.manifest.backup));
    expect(await recordProof(at.runtime, at.record, found({ failed: 'restore', failure }))).toMatchObject({ verdict: 'NOT_MEASURED' });
  });
});

describe('the scratch target', () => {
  it('is written down with its owner before it is made, and forgotten when it is gone', async () => {
    const at = await withDrill();
    expect(await abandonedScratch(at.runtime, 'sea')).toEqual([]);
    at.runtime.states.set('arn:drill', 'gone');
    expect(await abandonedScratch(at.runtime, 'sea')).toMatchObject([
      { name: scratchName(at.record.drill), owner: 'arn:drill', target: 'spare' },
    ]);
    await restore(at, null, 'arn:restore');
    let resume: string | null = null;
    do ({ resume } = await discardScratch(at.runtime, at.target, at.record, resume, spent));
    while (resume !== null);
    expect(at.all.server.databases.has(scratchName(at.record.drill))).toBe(false);
    expect(await abandonedScratch(at.runtime, 'sea')).toEqual([]);
  });

  it("is nobody's when its time is over, whatever its owner does", async () => {
    const at = await withDrill();
    await at.runtime.sleep(48 * 60 * 60 * 1000);
    expect(await abandonedScratch(at.runtime, 'sea')).toHaveLength(1);
  });

  it('is not promised where there is none', async () => {
    const at = await withDrill({ scratch: null });
    at.runtime.states.set('arn:drill', 'gone');
    expect(await abandonedScratch(at.runtime, 'sea')).toEqual([]);
  });
});

describe('the janitor', () => {
  const abandoned = async () => {
    const at = await withDrill();
    await restore(at, null, 'arn:restore');
    at.runtime.states.set('arn:drill', 'gone');
    return at;
  };
  const run = ({ runtime, all }: Drilling, settled: boolean) =>
    tidy(runtime, { source: 'sea', settled, openTarget: async (record: DrillRecord) => all.target(scratchName(record.drill)) }, ample);

  it('leaves what is in use', async () => {
    const at = await withDrill();
    await restore(at, null, 'arn:restore');
    expect(await run(at, true)).toMatchObject({ scratch: [], lease: false });
    expect(at.all.server.databases.has(scratchName(at.record.drill))).toBe(true);
  });

  it('removes what nobody owns, and gives a lease back whose owner is gone', async () => {
    const at = await abandoned();
    at.runtime.states.set('arn:one', 'gone');
    expect(await run(at, true)).toMatchObject({ scratch: [scratchName(at.record.drill)], lease: true });
    expect(await leaseHolder(at.runtime.control, 'sea')).toBeUndefined();
    expect(at.all.server.databases.has(scratchName(at.record.drill))).toBe(false);
    expect(await run(at, true)).toMatchObject({ scratch: [], lease: false });
  });

  it('comes back, where a function of a stopped drill may have made its target anew', async () => {
    const at = await abandoned();
    const name = scratchName(at.record.drill);
    await run(at, false);
    at.all.server.make(name);
    await run(at, false);
    expect(at.all.server.databases.has(name)).toBe(true);
    await at.runtime.sleep(15 * 60 * 1000);
    expect(await run(at, false)).toMatchObject({ scratch: [name] });
    expect(at.all.server.databases.has(name)).toBe(false);
    expect(await abandonedScratch(at.runtime, 'sea')).toEqual([]);
  });

  it('gives the lease back and removes the others, when one target cannot be reached', async () => {
    const at = await abandoned();
    const other = await startDrill(at.runtime, inputOf({ execution: 'arn:other-drill' }));
    await provisionScratch(at.runtime, other);
    at.runtime.states.set('arn:other-drill', 'gone');
    at.runtime.states.set('arn:one', 'gone');
    const refused = new LifeboatError('ConnectionRefused', 'no answer');
    const failing = tidy(
      at.runtime,
      {
        source: 'sea',
        settled: true,
        openTarget: async (record) => {
          if (record.drill === other.drill) throw refused;
          return at.target;
        },
      },
      ample,
    );
    await expect(failing).rejects.toBe(refused);
    expect(await leaseHolder(at.runtime.control, 'sea')).toBeUndefined();
    expect(at.all.server.databases.has(scratchName(at.record.drill))).toBe(false);
    expect((await abandonedScratch(at.runtime, 'sea')).map(({ drill }) => drill)).toEqual([other.drill]);
  });

  it('leaves a lease whose owner may live', async () => {
    const at = await withDrill();
    at.runtime.states.delete('arn:one');
    expect(await run(at, true)).toMatchObject({ lease: false });
    await expect(
      acquireLease(at.runtime.control, {
        source: 'sea',
        execution: 'arn:x',
        expiresAt: new Date(at.runtime.clock.now() + 1000),
        now: at.runtime.now(),
        ownerState: at.runtime.executionState,
      }),
    ).rejects.toMatchObject({ code: 'LeaseHeld' });
  });
});
