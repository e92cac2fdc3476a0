/** The dump of a volume of about so many inodes: folders of a hundred files, most of one chunk with one to three slices. Always the same. */

const FILES = 100;
const FOLDERS = 20;
const TIME = 1_760_000_000;
const MIB = 1024 * 1024;

export function* volumeDump(inodes: number): Generator<string> {
  let inode = 1;
  let slice = 0;
  let random = 42;
  const next = (below: number): number => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((random / 2 ** 32) * below);
  };
  const attr = (own: number, type: string, length: number): string =>
    `"attr": {"inode":${own},"type":"${type}","mode":${type === 'directory' ? 493 : 420},"uid":1000,"gid":1000,"atime":${TIME + own},"mtime":${TIME + own},"ctime":${TIME + own},"atimensec":123456789,"mtimensec":${1 + own},"ctimensec":5,"nlink":1,"length":${length}}`;
  const file = (): string => {
    inode++;
    const length = 1 + next(MIB);
    const many = 1 + next(3);
    const each = Math.max(1, Math.floor(length / many));
    const slices = Array.from({ length: many }, (_, i) => `{"id":${++slice},"pos":${i * each},"size":${each},"len":${each}}`);
    return `{${attr(inode, 'regular', length)},"chunks":[{"index":0,"slices":[${slices.join(',')}]}]}`;
  };
  yield '{"Setting":{"Name":"bench","UUID":"7b1c6cf1-7d5c-4d3d-9f6a-0f0f0f0f0f0f","Storage":"file","Bucket":"/tmp/bench/","BlockSize":4096,"Compression":"none","TrashDays":1,"MetaVersion":1},';
  yield `"Counters":{"usedSpace":0,"usedInodes":${inodes},"nextInodes":${inodes + 10},"nextChunk":${inodes * 4},"nextSession":1,"nextTrash":0},"Sustained":[],"DelFiles":[],`;
  yield `"FSTree":{${attr(1, 'directory', 0)},"entries":{`;
  for (let top = 0; inode < inodes; top++) {
    inode++;
    yield `${top > 0 ? ',' : ''}\n"top-${String(top).padStart(5, '0')}":{${attr(inode, 'directory', 0)},"entries":{`;
    for (let folder = 0; folder < FOLDERS; folder++) {
      inode++;
      const opening = `${folder > 0 ? ',' : ''}\n"dir-${String(folder).padStart(5, '0')}":{${attr(inode, 'directory', 0)},"entries":{`;
      const files = Array.from({ length: FILES }, (_, i) => `\n"file-${String(i).padStart(4, '0')}.dat":${file()}`);
      yield `${opening}${files.join(',')}}}`;
    }
    yield '}}';
  }
  yield '}}}\n';
}
