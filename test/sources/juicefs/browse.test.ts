import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadDigest } from '../../../src/backup/digest.ts';
import type { Manifest, Segment } from '../../../src/backup/types.ts';
import { parseJson } from '../../../src/json.ts';
import type { Browsed, BrowseRequest, SegmentSource, TaskContext } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { browse } from '../../../src/sources/juicefs/browse/browse.ts';
import { shownName } from '../../../src/sources/juicefs/browse/listed.ts';
import { unescapeName } from '../../../src/sources/juicefs/format/escape.ts';
import { planStretches, volume } from '../../../src/sources/juicefs/read/plan.ts';
import { writeStretch } from '../../../src/sources/juicefs/read/segments.ts';
import { headText } from '../../../src/sources/juicefs/read/stream.ts';
import { withReader } from '../../../src/sources/juicefs/reading.ts';
import { dumpOf, emptyEngine, filledEngine, loadInto, services } from './harness.ts';

interface Cut {
  readonly manifest: Manifest;
  readonly texts: ReadonlyMap<string, Buffer>;
}

/** A backup of a volume, cut after every `size` names. */
const cutBackup = async (address: JuicefsAddress, size: number): Promise<Cut> => {
  const factory = await loadDigest();
  const texts = new Map<string, Buffer>();
  const segments: Segment[] = [];
  await withReader(address, services, undefined, async (reader) => {
    const keep = (text: Buffer, context: Segment['context']): Segment => {
      const key = `segments/${texts.size}`;
      texts.set(key, text);
      return { key, context } as Segment;
    };
    segments.push(keep(Buffer.from(headText(address, await reader.head())), { kind: 'head' }));
    const write: TaskContext['write'] = {
      write: async (_ordinal, raw, as) => keep(Buffer.concat(await Array.fromAsync(raw)), as.context),
    };
    const context = {
      task: 0,
      write,
      progress: () => {},
      budget: { remaining: () => 1e9, signal: new AbortController().signal },
    } as unknown as TaskContext;
    for await (const task of planStretches(reader, volume(false), 0n, size))
      segments.push(...(await writeStretch(task, { reader, factory, context, first: 0, mayStop: false })).segments);
  });
  return { manifest: { segments } as unknown as Manifest, texts };
};

const look = async (
  cut: Cut,
  request: Partial<BrowseRequest> & { readonly path: string },
): Promise<Browsed & { readonly read: string[] }> => {
  const read: string[] = [];
  const source: SegmentSource = {
    async *read({ key }) {
      read.push(key);
      const text = cut.texts.get(key) ?? Buffer.alloc(0);
      for (let at = 0; at < text.length; at += 1000) yield text.subarray(at, at + 1000);
    },
  };
  const whole = { after: undefined, limit: 10_000, sum: false, signal: new AbortController().signal, ...request };
  return { ...(await browse(cut.manifest, source, whole)), read };
};

interface Node {
  readonly attr: { readonly type: string; readonly length: number };
  readonly entries?: { readonly [name: string]: Node };
}

/** Every folder of a dump by its path, with its names; and below each, how many names and bytes. */
const foldersOf = (dump: string): Map<string, { readonly names: string[]; entries: number; bytes: number }> => {
  const { FSTree, Trash } = parseJson(dump) as unknown as { readonly FSTree: Node; readonly Trash: Node };
  const folders = new Map<string, { readonly names: string[]; entries: number; bytes: number }>();
  const visit = (path: string, node: Node): { entries: number; bytes: number } => {
    const own = { names: Object.keys(node.entries ?? {}), entries: 0, bytes: 0 };
    for (const [name, child] of Object.entries(node.entries ?? {})) {
      const below = child.entries === undefined ? { entries: 0, bytes: 0 } : visit(`${path}/${name}`, child);
      own.entries += 1 + below.entries;
      own.bytes += below.bytes + (child.attr.type === 'regular' ? child.attr.length : 0);
    }
    folders.set(path === '' ? '/' : path, own);
    return own;
  };
  visit('', FSTree);
  visit('/.trash', Trash);
  return folders;
};

/** Whichever way they are escaped, as the bytes that they mean. */
const asBytes = (names: readonly string[]): string[] =>
  names.map((name) => Buffer.from(unescapeName(Buffer.from(name, 'utf8'))).toString('latin1')).sort();
const namesIn = (found: Browsed): string[] => (found.contents['entries'] as { name: string }[]).map(({ name }) => name).sort();

describe('a folder of a backup', () => {
  it.each([1, 2, 5, 40, 1000])('has its names and what is below it, in segments of %d names', async (size) => {
    const address = await filledEngine('sqlite');
    const cut = await cutBackup(address, size);
    const folders = foldersOf(await dumpOf(address));
    expect(folders.size).toBeGreaterThan(20);
    for (const [path, { names, entries, bytes }] of folders) {
      const found = await look(cut, { path });
      expect(asBytes(namesIn(found)), path).toEqual(asBytes(names));
      expect(found.contents['entry']).toMatchObject({ type: 'directory' });
      const summed = await look(cut, { path, sum: true });
      expect(summed.contents['sum'], path).toMatchObject({ entries: String(entries), bytes: String(bytes) });
    }
  });

  it('is read from the segments that hold its own names, and from no other', async () => {
    const wide = Array.from({ length: 60 }, (_, i) => `"f${String(i).padStart(2, '0')}":${file(100 + i)}`).join(',');
    const deep = `"deep":${folder(50, wide)}`;
    const dump = `{"Setting":{"Name":"v","UUID":"u","TrashDays":1},"Counters":{},"FSTree":${folder(1, `"a":${folder(2, `"b":${folder(3, deep)},"c":${file(4)}`)},"z":${file(5)}`)}}`;
    const address = await emptyEngine('sqlite');
    await loadInto(address, dump);
    const cut = await cutBackup(address, 5);
    expect(cut.manifest.segments.length).toBeGreaterThan(13);
    // Of the 60 names that lie between b and c, none is read.
    expect((await look(cut, { path: '/a' })).read.length).toBeLessThanOrEqual(3);
    expect(namesIn(await look(cut, { path: '/a' }))).toEqual(['b', 'c']);
    expect(namesIn(await look(cut, { path: '/' }))).toEqual(['a', 'z']);
    const one = await look(cut, { path: '/a/b/deep/f33' });
    expect(one.read).toHaveLength(2);
    expect(one.contents['entry']).toMatchObject({ inode: '133', type: 'regular', length: '7' });
    const some = await look(cut, { path: '/a/b/deep', after: 'f49', limit: 3 });
    expect(namesIn(some)).toEqual(['f50', 'f51', 'f52']);
    expect(some.contents['more']).toBe(true);
    expect(some.read.length).toBeLessThanOrEqual(4);
    expect((await look(cut, { path: '/a/b/deep', after: 'f57' })).contents).toMatchObject({ more: false });
  });

  it('has its quota, that of the folders above, its owner and its mode', async () => {
    const cut = await cutBackup(await filledEngine('sqlite'), 7);
    const { contents } = await look(cut, { path: '/' });
    const limited = (contents['entries'] as { name: string; quota: unknown }[]).filter(({ quota }) => quota !== null);
    expect(limited.length).toBeGreaterThan(0);
    const inner = await look(cut, { path: `/${limited[0]?.name}` });
    expect(inner.contents['entry']).toMatchObject({ quota: limited[0]?.quota, mode: expect.stringMatching(/^0[0-7]{3}$/) });
  });

  it.each([
    ['/nope', '/ has no folder or file "nope"'],
    ['/nope/further', '/ has no folder or file "nope"'],
    ['/zzzz', '/ has no folder or file "zzzz"'],
    ['/.trash/nope', '"nope"'],
  ])('%s is not there, and the error says which part', async (path, message) => {
    const cut = await cutBackup(await filledEngine('sqlite'), 7);
    await expect(look(cut, { path })).rejects.toMatchObject({ name: 'NoSuchObject', message: expect.stringContaining(message) });
  });

  it.each(['a', '', '/a/../b'])('%j is no path', async (path) => {
    await expect(look({ manifest: { segments: [] } as unknown as Manifest, texts: new Map() }, { path })).rejects.toMatchObject({
      name: 'Usage',
    });
  });
});

describe('names that are shown', () => {
  it('have nothing that a terminal obeys, and are paths as they stand', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (name) => {
        const shown = shownName(name);
        expect(shown).not.toMatch(/\p{Cc}|[\u202a-\u202e]/u);
        expect([...unescapeName(Buffer.from(shown, 'utf8'))]).toEqual([...name]);
      }),
    );
  });
});

const file = (inode: number): string => `{"attr":{"inode":${inode},"type":"regular","mode":420,"uid":7,"gid":8,"nlink":1,"length":7}}`;
const folder = (inode: number, entries: string): string =>
  `{"attr":{"inode":${inode},"type":"directory","mode":493,"uid":0,"gid":0,"nlink":2,"length":0},"entries":{${entries}}}`;
