import { describe, expect, it } from 'vitest';
import { readFailures, recordFailure } from '../../src/backup/failures.ts';
import { manifestKey } from '../../src/backup/layout.ts';
import { abortRestore } from '../../src/restore/abort.ts';
import { readAudit, readPhases } from '../../src/restore/conclude.ts';
import { type RestoreRecord, readRestore } from '../../src/restore/record.ts';
import { type ResolveInput, resolveRestore } from '../../src/restore/resolve.ts';
import { firstStage, stageNamed, stagesOf } from '../../src/restore/stages.ts';
import type { Target, TargetFacts } from '../../src/sources/contract.ts';
import { backedUp, fakes, restored } from '../support/by-hand.ts';
import { textOf } from '../support/fake-server.ts';
import { memoryRuntime } from '../support/runtime.ts';

const withBackup = async () => {
  const runtime = memoryRuntime();
  const all = fakes(runtime);
  const manifest = await backedUp(runtime, all);
  return { runtime, all, manifest };
};

const inputOf = (changes: Partial<ResolveInput> = {}): ResolveInput => ({
  source: 'sea',
  backup: 'latest',
  target: 'spare',
  drill: null,
  only: null,
  overwrite: false,
  execution: 'arn:restore',
  startedAt: '2026-11-21T02:00:00.000Z',
  ...changes,
});

const resolve = (
  { runtime, all }: Awaited<ReturnType<typeof withBackup>>,
  changes: Partial<ResolveInput> = {},
  target = all.target('spare'),
) => resolveRestore(runtime, inputOf(changes), async () => target);

describe('resolveRestore', () => {
  it('picks the backup, and writes down what this restore is', async () => {
    const at = await withBackup();
    const resolved = await resolve(at);
    expect(resolved).toEqual({
      source: 'sea',
      restore: expect.stringMatching(/^20261121T020000Z-/),
      backup: at.manifest.backup,
      stage: 'prepare',
    });
    expect(await readRestore(at.runtime, 'sea', resolved.restore)).toMatchObject({
      backup: at.manifest.backup,
      target: 'spare',
      execution: 'arn:restore',
    });
    expect(await resolve(at)).toEqual(resolved);
  });

  it('begins with the audit where nothing else is asked for, and then refuses no target', async () => {
    const at = await withBackup();
    expect(await resolve(at, { only: 'audit' }, at.all.target('sea'))).toMatchObject({ stage: 'audit' });
  });

  const facts: TargetFacts = {
    product: 'Fake',
    version: '1',
    place: 'fake://one/spare',
    content: 'x',
    bytes: 0,
    problems: [],
    empty: true,
  };
  const refusals: [string, Partial<TargetFacts>, boolean, string | undefined][] = [
    ['takes an empty one', {}, false, undefined],
    ['refuses one that is not empty', { empty: false }, false, 'TargetNotEmpty'],
    ['overwrites one that is not empty when told so', { empty: false }, true, undefined],
    ['refuses one that holds half a restore', { empty: false, unfinished: 'R1' }, false, 'TargetUnusable'],
    ['overwrites half a restore when told so', { empty: false, unfinished: 'R1' }, true, undefined],
    ['takes the very place of the source when it is empty: after a disaster', { place: 'fake://one/sea' }, false, undefined],
    ['refuses the source', { place: 'fake://one/sea', empty: false }, false, 'TargetIsSource'],
    ['refuses to overwrite the source, even an empty one', { place: 'fake://one/sea' }, true, 'TargetIsSource'],
    [
      'refuses one with a problem',
      { problems: [{ code: 'ReadOnly', message: 'it is a replica', hint: 'Use the primary.' }] },
      true,
      'TargetProblem',
    ],
  ];

  it.each(refusals)('%s', async (_, changes, overwrite, code) => {
    const at = await withBackup();
    const target: Target = { ...at.all.target('spare'), inspect: async () => ({ ...facts, ...changes }) };
    const resolving = resolve(at, { overwrite }, target);
    if (code === undefined) return void expect(await resolving).toMatchObject({ stage: 'prepare' });
    const error: unknown = await resolving.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/\.$/) });
    expect(String(error)).toMatch(/fake:\/\/one|R1|replica/);
    await expect(readRestore(at.runtime, 'sea', '20261121T020000Z-0000')).rejects.toMatchObject({ code: 'RestoreFailed' });
  });

  it('leaves a scratch target to its drill', async () => {
    const at = await withBackup();
    const target: Target = {
      ...at.all.target('spare'),
      inspect: async () => {
        throw new Error('there is nothing to inspect yet');
      },
    };
    expect(await resolve(at, { drill: 'D1', target: null }, target)).toMatchObject({ stage: 'prepare' });
  });

  it('names a backup that is not there, or cannot be read', async () => {
    const at = await withBackup();
    await expect(resolve(at, { backup: '20200101T000000Z-0000' })).rejects.toMatchObject({ code: 'NoSuchBackup' });
    await at.runtime.store.delete(manifestKey('sea', at.manifest.backup));
    await expect(resolve(at)).rejects.toMatchObject({ code: 'NoSuchBackup' });
    await at.runtime.store.create(manifestKey('sea', at.manifest.backup), Buffer.from('{"formatVersion":1'));
    await expect(resolve(at)).rejects.toMatchObject({ code: 'ManifestInvalid' });
  });
});

describe('a restore by hand', () => {
  const run = async (changes: Parameters<typeof fakes>[1] = {}) => {
    const at = await withBackup();
    Object.assign(at.all.behaviour, changes);
    const { restore } = await resolve(at);
    const record = await readRestore(at.runtime, 'sea', restore);
    return { ...at, record, concluded: await restored(at.runtime, at.all.target('spare'), record) };
  };

  it('makes an equal system, and says what its time went into', async () => {
    const { runtime, all, record, concluded } = await run();
    expect(textOf(all.server.database('spare').content)).toBe(textOf(all.server.database('sea').content));
    expect(concluded).toMatchObject({ verdict: 'PASSED', failed: [] });
    expect(concluded.phases.map(({ name }) => name)).toEqual(['prepare', 'load', 'finish', 'audit']);
    expect(concluded.phases.find(({ name }) => name === 'load')?.seconds).toBeGreaterThan(10);
    expect(await readPhases(runtime, 'sea', record.restore)).toEqual(concluded.phases);
    expect((await readAudit(runtime, 'sea', record.restore)).checks).toHaveLength(concluded.checks);
  });

  it('sees what was lost on the way', async () => {
    const { concluded } = await run({ losesRows: true });
    expect(concluded.verdict).toBe('FAILED');
    expect(concluded.failed).toContain('rows of people');
  });

  it('has measured nothing when its audit looked at nothing', async () => {
    const { concluded } = await run({ auditIsBlind: true });
    expect(concluded.verdict).toBe('NOT_MEASURED');
  });

  it('has no audit and no phases before it ended', async () => {
    const at = await withBackup();
    const { restore } = await resolve(at);
    await expect(readAudit(at.runtime, 'sea', restore)).rejects.toMatchObject({
      code: 'NotMeasured',
      message: expect.stringContaining(restore),
    });
    expect(await readPhases(at.runtime, 'sea', restore)).toEqual([]);
  });
});

describe('the stages of a restore', () => {
  const record = (only: RestoreRecord['only']) => ({ only }) as RestoreRecord;

  it('are those of the target, and the audit last', () => {
    const target = fakes(memoryRuntime()).target('spare');
    expect(stagesOf(target, record(null)).map(({ name }) => name)).toEqual(['prepare', 'load', 'finish', 'audit']);
    expect(stagesOf(target, record('audit')).map(({ name }) => name)).toEqual(['audit']);
    expect(firstStage(target, record('audit'))).toBe('audit');
    expect(stageNamed(target, record(null), 'load').name).toBe('load');
    expect(() => stageNamed(target, record('audit'), 'load')).toThrow(expect.objectContaining({ code: 'TaskMissing' }));
  });
});

describe('abortRestore', () => {
  const failed = async (drill: string | null) => {
    const at = await withBackup();
    const { restore } = await resolve(at, { drill, target: drill === null ? 'spare' : null });
    await recordFailure(at.runtime, 'sea', restore, { step: '', code: 'TargetFull', message: 'no room', hint: 'Make room.' }, 'attempt');
    const failure = { Error: 'States.ExceedToleratedFailureThreshold', Cause: '' };
    const reason = await abortRestore(at.runtime, { source: 'sea', restore, stage: 'audit', failure }, 'attempt-2');
    return { ...at, reason };
  };

  it('finds out why', async () => {
    expect((await failed(null)).reason).toEqual({ step: '', code: 'TargetFull', message: 'no room', hint: 'Make room.' });
  });

  it('tells its drill in which stage', async () => {
    const { runtime } = await failed('20261121T020000Z-aaaa');
    expect(await readFailures(runtime, 'sea', '20261121T020000Z-aaaa')).toEqual([
      { step: 'audit', code: 'TargetFull', message: 'no room', hint: 'Make room.' },
    ]);
  });
});
