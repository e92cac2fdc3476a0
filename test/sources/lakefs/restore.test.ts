import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/backup/types.ts';
import type { Target } from '../../../src/sources/contract.ts';
import { detailsOf } from '../../../src/sources/lakefs/gathered.ts';
import { encodeLakectl, encodeScript } from '../../../src/sources/lakefs/refs.ts';
import { commit, dump, type Repository, upload } from '../../support/lakefs-repository.ts';
import { fill, forever, type Harness, openHarness, SOURCE, spent } from './harness.ts';

let harness: Harness;
let sample: Repository;
let manifest: Manifest;

beforeEach(async () => {
  harness = await openHarness();
  sample = fill(harness);
  manifest = await harness.backup();
});
afterEach(() => harness.close());

const failed = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, ...(message === undefined ? {} : { message: expect.stringMatching(message) }) });

const clone = (changes = {}): Target => harness.target({ repository: 'clone', namespace: 'local://clones/one', ...changes });
const SCRATCH = 'lifeboat-drill-20261121t013000z-4f2a';
const scratch = (changes = {}): Target => harness.target({ repository: SCRATCH, namespace: `local://drills/${SCRATCH}`, ...changes });

const restored = (id = 'clone'): Repository => {
  const found = harness.server.repositories.get(id);
  if (found === undefined) throw new Error(`there is no ${id}`);
  return found;
};

describe('a restore', () => {
  it('under another name has everything, also what lakeFS leaves out', async () => {
    const audit = await harness.restore(clone(), manifest);
    expect(audit.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(audit.verdict).toBe('PASSED');
    expect(audit.notMeasured).toEqual([]);
    const made = restored();
    const plain = (repository: Repository) => [...repository.branches].map(([name, { commit, hidden }]) => [name, commit, hidden]).sort();
    expect(plain(made)).toEqual(plain(sample));
    expect([...made.tags].sort()).toEqual([...sample.tags].sort());
    expect(made).toMatchObject({ defaultBranch: 'trunk', metadata: sample.metadata, protection: sample.protection, rules: sample.rules });
    const staged = (repository: Repository) => [...(repository.branches.get('feature-1')?.staged ?? [])].sort();
    expect(staged(made)).toEqual(staged(sample));
    expect(made.pulls.map(({ title, status }) => `${title} ${status}`).sort()).toEqual(['merged one closed', 'open one open']);
    expect(existsSync(join(made.folder, '_lifeboat/restore.json'))).toBe(false);
  });

  it('of a read-only repository is one again, without the settings that lakeFS refuses it', async () => {
    harness.server.repositories.set('sample', { ...sample, readOnly: true });
    const backup = await harness.backup();
    expect(Object.keys(backup.notIncluded).join()).toContain('read-only');
    const audit = await harness.restore(clone(), backup);
    expect(audit.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(restored()).toMatchObject({ readOnly: true, metadata: sample.metadata, protection: [], rules: undefined });
  });

  it('after a disaster brings the repository back where it was', async () => {
    harness.server.repositories.delete('sample');
    rmSync(join(sample.folder, 'data'), { recursive: true });
    const audit = await harness.restore(harness.target(), manifest);
    expect(audit.verdict).toBe('PASSED');
    expect(restored('sample').branches.size).toBe(5);
  });

  it('comes to the same end in the smallest steps', async () => {
    const audit = await harness.restore(clone(), manifest, { budget: spent });
    expect(audit.checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it('waits until lakeFS has forgotten a repository of that name that it deleted itself', async () => {
    harness.server.play.namesStickMs = 900;
    harness.server.make('clone', 'local://old/clone').branches.clear();
    const audit = await harness.restore(clone(), manifest);
    expect(audit.verdict).toBe('PASSED');
  });

  it('of a backup of nothing but the first commit works, too', async () => {
    harness.server.make('empty', 'local://repos/empty', 'main');
    const { folder } = restored('empty');
    expect(folder).toContain('empty');
    const bare = restored('empty');
    bare.branches.get('main')?.staged.clear();
    dump(bare);
    const empty = await harness.backup(harness.source({ repository: 'empty' }));
    const audit = await harness.restore(clone(), empty);
    expect(audit.checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});

describe('a restore is refused', () => {
  it('into the repository of the backup, one that is not bare, or a namespace in use', async () => {
    await expect(harness.restore(harness.target(), manifest)).rejects.toThrow(failed('TargetIsSource'));
    harness.server.make('other', 'local://repos/other');
    await expect(harness.restore(harness.target({ repository: 'other', namespace: 'local://x/y' }), manifest)).rejects.toThrow(
      failed('TargetNotEmpty', /not bare/),
    );
    await expect(clone({ namespace: 'local://repos/other' }).stages[0]?.name).toBe('prepare');
    await expect(harness.restore(clone({ namespace: 'local://repos/other' }), manifest)).rejects.toThrow(
      failed('TargetNotEmpty', /repository other lies in/),
    );
    await expect(harness.restore(clone({ namespace: 'local://repos' }), manifest)).rejects.toThrow(failed('TargetNotEmpty', /would share/));
    expect(harness.server.repositories.has('clone')).toBe(false);
  });

  it('into a namespace that holds something, or a restore that did not end', async () => {
    await harness.restore(clone(), manifest);
    harness.server.repositories.delete('clone');
    await expect(harness.restore(clone(), manifest)).rejects.toThrow(failed('TargetNotEmpty', /is not empty/));
    const stopped = harness.target({ repository: 'clone', namespace: 'local://clones/two' });
    harness.server.play.faults.push({ match: /^POST \/repositories$/, status: 500, message: 'boom', times: 1 });
    await expect(harness.restore(stopped, manifest)).rejects.toThrow(failed('ServerFailed', /boom/));
    await expect(harness.restore(stopped, manifest)).rejects.toThrow(failed('TargetUnusable', /did not end/));
  });

  it('when somebody made a repository of that name while it copied', async () => {
    const target = clone();
    const load = target.stages.find(({ name }) => name === 'load');
    if (load === undefined) throw new Error('a restore loads');
    const late: typeof load = {
      ...load,
      async *plan(context) {
        harness.server.make('clone', 'local://somebody/else');
        yield* load.plan(context);
      },
    };
    const stages = target.stages.map((stage) => (stage === load ? late : stage));
    await expect(harness.restore({ ...target, stages }, manifest)).rejects.toThrow(failed('TargetNotEmpty', /somebody else/));
    expect(restored()).toMatchObject({ namespace: 'local://somebody/else' });
  });

  it('on another server that is not told where, since the first one may still have the repository', async () => {
    const elsewhere = { ...manifest, source: { ...manifest.source, place: 'lakefs://elsewhere/sample' } };
    await expect(harness.restore(harness.target({ repository: 'clone' }), elsewhere)).rejects.toThrow(
      failed('TargetProblem', /in which namespace clone shall lie/),
    );
    await expect(harness.restore(clone(), elsewhere)).resolves.toMatchObject({ verdict: 'PASSED' });
  });

  it('where the backup is not one of lakeFS', async () => {
    await expect(harness.restore(clone(), { ...manifest, details: {} })).rejects.toThrow(failed('ManifestInvalid'));
  });

  it('where storage is of a kind that is not supported', async () => {
    await expect(
      harness.restore(
        { ...clone(), stages: harness.target({ repository: 'clone' }).stages },
        {
          ...manifest,
          details: {
            ...Object(manifest.details),
            repository: { ...detailsOf(manifest).repository, namespace: 'https://account.blob.core.windows.net/x' },
          },
        },
      ),
    ).rejects.toThrow(failed('Unsupported', /not supported/));
  });
});

describe('a restore that fails leaves nothing half', () => {
  const gone = () => expect(harness.server.repositories.has('clone')).toBe(false);

  it('when lakeFS says success and restored less', async () => {
    harness.server.play.losesTags = true;
    await expect(harness.restore(clone(), manifest)).rejects.toThrow(failed('RestoreFailed', /removed again.*0 tags instead of 2/));
    gone();
  });

  it('when its task never ends', async () => {
    harness.server.play.tasksHang = true;
    const target = clone();
    const running = harness.restore(target, manifest);
    const jump = setInterval(() => {
      if (harness.server.seen.some((line) => /^GET .*\/restore$/.test(line))) harness.skew = 2 * 60 * 60 * 1000;
    }, 5);
    await expect(running).rejects.toThrow(failed('RestoreFailed', /did not end within 60 minutes/));
    clearInterval(jump);
    gone();
  });

  it('when the pool has lost an object', async () => {
    for await (const { key } of harness.store.list(`${SOURCE}/objects/data/`)) {
      await harness.store.delete(key);
      break;
    }
    await expect(harness.restore(clone(), manifest)).rejects.toThrow(failed('ObjectMissing'));
    gone();
  });
});

describe('a drill', () => {
  it('sees that one object is gone, in exactly that class, and removes everything', async () => {
    const target = scratch();
    expect((await harness.restore(target, manifest, { scratch: true })).verdict).toBe('PASSED');
    const tampering = await target.tamper(manifest, 4711, forever);
    expect(tampering.classes).toEqual(['data']);
    const after = await harness.audit(target, manifest);
    expect(after).toMatchObject({ verdict: 'FAILED', failedClasses: ['data'] });
    await harness.run(target.discard, manifest);
    expect(harness.server.repositories.has(SCRATCH)).toBe(false);
    expect(readdirSync(join(harness.folder, 'drills', SCRATCH)).filter((name) => name !== '.lifeboat-tmp')).toEqual([]);
    await harness.run(target.discard, manifest);
  });

  it('fails when a branch points elsewhere, a tag is gone, or an object has other bytes', async () => {
    const target = scratch();
    await harness.restore(target, manifest, { scratch: true });
    const made = restored(SCRATCH);
    const dev = made.branches.get('dev');
    if (dev !== undefined) dev.commit = made.tags.get('v1.0') ?? '';
    made.tags.delete('v1.0');
    expect((await harness.audit(target, manifest)).failedClasses).toEqual(['branches', 'tags']);
  });

  it('knows that checksums of an encrypted bucket are no MD5s, and that a few wrong ones among right ones are wrong', async () => {
    const make = async (name: string, isWrong: (n: number) => boolean): Promise<readonly string[]> => {
      const made = harness.server.make(name, `local://repos/${name}`);
      for (let n = 0; n < 30; n++) {
        const entry = upload(made, Buffer.from(`${name} ${n}`));
        const path = `part-${String(n).padStart(3, '0')}`;
        made.branches.get('main')?.staged.set(path, isWrong(n) ? { ...entry, etag: `${n}`.padStart(32, 'e') } : entry);
      }
      commit(made, 'main', 'all');
      const backup = await harness.backup(harness.source({ repository: name }));
      const target = harness.target({ repository: `${name}-clone`, namespace: `local://clones/${name}` });
      return (await harness.restore(target, backup)).failedClasses;
    };
    expect(await make('encrypted', () => true)).toEqual([]);
    // Ten rows are a range, and one of each range is read.
    harness.server.repositories.delete('encrypted');
    expect(await make('damaged', (n) => n < 10)).toEqual(['data']);
  });

  it('touches only what is a scratch repository', async () => {
    await expect(clone().tamper(manifest, 1, forever)).rejects.toThrow(failed('TargetUnusable'));
    await expect(harness.run(clone().discard, manifest)).rejects.toThrow(failed('TargetUnusable'));
    await expect(harness.run(scratch({ namespace: 'local://repos/sample' }).discard, manifest)).rejects.toThrow(failed('TargetUnusable'));
    await expect(harness.run(harness.target({ repository: SCRATCH }).discard, manifest)).rejects.toThrow(
      failed('TargetProblem', /needs a namespace/),
    );
    harness.server.make(SCRATCH, 'local://repos/precious');
    await expect(harness.run(scratch().discard, manifest)).rejects.toThrow(failed('TargetUnusable', /nothing was removed/));
    expect(harness.server.repositories.has(SCRATCH)).toBe(true);
  });

  it('of a drill repository is refused as a source', async () => {
    await harness.restore(scratch(), manifest, { scratch: true });
    const source = harness.source({ repository: SCRATCH });
    expect((await source.inspect()).problems.map(({ code }) => code)).toContain('ScratchRepository');
  });
});

describe('a manifest', () => {
  const load = (text: string, target = harness.target({ repository: 'loaded', namespace: 'local://repos/sample' })) =>
    target.loadArtifact(
      (async function* () {
        yield Buffer.from(text);
      })(),
      { overwrite: false, signal: forever.signal, progress: () => {} },
    );
  const script = () =>
    encodeScript({
      ids: detailsOf(manifest).ids,
      repository: { name: 'sample', namespace: 'local://repos/sample', defaultBranch: 'trunk', storageId: 'old' },
    });

  it('of lakefs-refs.py is restored over a namespace that is there', async () => {
    harness.server.repositories.delete('sample');
    await expect(load(script())).resolves.toMatchObject({ rows: '12' });
    expect(restored('loaded')).toMatchObject({ defaultBranch: 'trunk', namespace: 'local://repos/sample' });
  });

  it('of lakectl needs the right default branch, or nothing is made', async () => {
    harness.server.repositories.delete('sample');
    await expect(load(encodeLakectl(detailsOf(manifest).ids))).rejects.toThrow(failed('RefsTorn', /default branch main is not among/));
    expect(harness.server.repositories.has('loaded')).toBe(false);
    const target = harness.target({ repository: 'loaded', namespace: 'local://repos/sample', defaultBranch: 'trunk' });
    await expect(load(encodeLakectl(detailsOf(manifest).ids), target)).resolves.toMatchObject({ rows: '12' });
    expect(restored('loaded').defaultBranch).toBe('trunk');
  });

  it('with empty, swapped or foreign ids is refused before anything is made', async () => {
    harness.server.repositories.delete('sample');
    const { ids } = detailsOf(manifest);
    await expect(load(encodeLakectl({ ...ids, tags_meta_range_id: '' }))).rejects.toThrow(failed('ArtifactInvalid'));
    await expect(load('{"refs":{}}')).rejects.toThrow(failed('ArtifactInvalid'));
    await expect(load('not json')).rejects.toThrow(failed('ArtifactInvalid', /not JSON/));
    await expect(load(script().replaceAll(ids.commits_meta_range_id, ids.tags_meta_range_id))).rejects.toThrow();
    await expect(load(script().replaceAll(ids.commits_meta_range_id, 'a'.repeat(64)))).rejects.toThrow(failed('ObjectMissing'));
    expect(harness.server.repositories.has('loaded')).toBe(false);
  });
});
