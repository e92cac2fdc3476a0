import { z } from 'zod';
import type { Json, PointInTime } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Conclusion, StageContext } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { storageOf } from './blocks/storage.ts';
import { parseSetting, type Setting, secretsIn } from './format/setting.ts';
import { restoreGuide } from './guide.ts';
import type { Head } from './model.ts';

const BlocksSchema = z.object({
  /** How many blocks an audit asks the bucket for. */
  sample: z.int().positive(),
  storage: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('reachable'),
      url: z.string(),
      options: z.object({ region: z.string().optional(), endpoint: z.string().optional(), forcePathStyle: z.boolean().optional() }),
    }),
    z.object({ kind: z.literal('unreachable'), why: z.string() }),
  ]),
  layout: z.object({ blockSize: z.int().positive(), hashPrefix: z.boolean() }),
  /** Whether blocks are stored as they are, neither compressed nor encrypted. */
  plain: z.boolean(),
});
export type BlocksToAudit = z.output<typeof BlocksSchema>;

const HeadFacts = z.object({
  engine: z.string(),
  name: z.string(),
  uuid: z.string(),
  trashDays: z.number(),
  secretsRemoved: z.array(z.string()),
  sustained: z.number(),
  delFiles: z.number(),
  openSessions: z.string(),
  /** Absent where nobody asked for them. */
  blocks: BlocksSchema.optional(),
});
export type HeadFacts = z.output<typeof HeadFacts>;

/** How Redis was read; docs/juicefs.md explains the ways. */
const ReadSchema = z.object({
  way: z.enum(['replication', 'file', 'scan', 'walk']),
  why: z.string().nullable(),
  consistency: z.enum(['snapshot', 'quiesced', 'fuzzy']),
  at: z.string(),
  until: z.string().nullable(),
  changes: z.string(),
  rdb: z
    .object({ version: z.number(), server: z.string().nullable(), replId: z.string().nullable(), offset: z.string().nullable() })
    .nullable(),
  repaired: z.number(),
});
type Read = z.output<typeof ReadSchema>;

const FactsSchema = z.object({
  head: HeadFacts.optional(),
  entries: z.number().optional(),
  at: z.string().optional(),
  until: z.string().optional(),
  read: ReadSchema.optional(),
});

/** Beside the segments: what a drill, a list or a doctor needs to know of the volume. */
export const DetailsSchema = z.object({
  head: HeadFacts,
  entries: z.string(),
  changes: z.string().nullable(),
  until: z.string().nullable(),
  read: ReadSchema.nullable().default(null),
});

export const factsOfHead = (address: JuicefsAddress, head: Head): Json => {
  const setting = parseSetting(head.setting);
  const facts: HeadFacts = {
    engine: address.engine,
    name: setting.name,
    uuid: setting.uuid,
    trashDays: setting.trashDays,
    secretsRemoved: address.keepSecretKey ? [] : [...secretsIn(setting)],
    sustained: head.sustained.reduce((sum, { inodes }) => sum + inodes.length, 0),
    delFiles: head.delFiles.length,
    openSessions: String(head.sustained.length),
    ...blocksToAudit(address, setting),
  };
  return z.json().parse(facts);
};

/** Kibibytes that a block has unless the setting says otherwise. */
const BLOCK_KIB = 4096;

const blocksToAudit = ({ blocks }: JuicefsAddress, setting: Setting): { readonly blocks?: BlocksToAudit } => {
  if (blocks === undefined) return {};
  const { BlockSize: size, HashPrefix: hashPrefix, Compression: compression, EncryptKey: key } = setting.value;
  const elsewhere = {
    ...(blocks.region === undefined ? {} : { region: blocks.region }),
    ...(blocks.endpoint === undefined ? {} : { endpoint: blocks.endpoint, forcePathStyle: true }),
  };
  const own = storageOf(setting);
  const storage: BlocksToAudit['storage'] =
    blocks.url !== undefined
      ? { kind: 'reachable', url: blocks.url, options: elsewhere }
      : own.kind === 'reachable'
        ? { ...own, options: { ...own.options, ...elsewhere } }
        : own;
  return {
    blocks: {
      sample: blocks.sample,
      storage,
      layout: { blockSize: (typeof size === 'number' && size > 0 ? size : BLOCK_KIB) * 1024, hashPrefix: hashPrefix === true },
      plain: (compression === undefined || compression === '' || compression === 'none') && (key === undefined || key === ''),
    },
  };
};

/** A walk that several invocations shared shows no instant, even where each of them saw nothing change. */
const joinReads = (reads: readonly Read[]): Read | undefined => {
  const [first] = reads;
  const last = reads.at(-1);
  if (first === undefined || last === undefined || reads.length === 1) return first;
  return { ...first, consistency: 'fuzzy', until: last.until, changes: [...new Set(reads.map(({ changes }) => changes))].join(', ') };
};

const placeInHistory = (read: Read | undefined): { readonly [name: string]: string } =>
  typeof read?.rdb?.replId === 'string' ? { replId: read.rdb.replId, offset: read.rdb.offset ?? '' } : {};

/** From the receipts of the dump alone. */
export const concludeDump = async (context: StageContext): Promise<Conclusion> => {
  let head: HeadFacts | undefined;
  let entries = 0n;
  let at: string | undefined;
  let until: string | undefined;
  const reads: Read[] = [];
  for await (const receipt of context.receipts('dump')) {
    const facts = FactsSchema.parse(receipt.facts ?? {});
    head ??= facts.head;
    entries += BigInt(facts.entries ?? 0);
    at ??= facts.at;
    until = facts.until ?? until;
    if (facts.read !== undefined) reads.push(facts.read);
  }
  if (head === undefined) throw new LifeboatError('BackupIncomplete', 'no receipt of the dump has the head of the volume');
  const [opened] = await context.instants();
  const read = joinReads(reads);
  const consistency: PointInTime['consistency'] = read?.consistency ?? 'snapshot';
  at = read?.at ?? at;
  until = read === undefined ? until : (read.until ?? undefined);
  return {
    pointInTime: {
      consistency,
      at: at ?? opened?.at ?? new Date(0).toISOString(),
      token: { ...(until === undefined ? {} : { until }), ...placeInHistory(read) },
    },
    artifact: { format: 'JuiceFS dump (JSON)', restoreWith: 'juicefs load' },
    assertions: [
      { name: 'juicefs.name', value: head.name },
      { name: 'juicefs.uuid', value: head.uuid },
    ],
    details: z.json().parse({
      head,
      entries: entries.toString(),
      changes: read?.changes ?? null,
      until: until ?? null,
      read: read ?? null,
    } satisfies z.input<typeof DetailsSchema>),
    notIncluded: {
      'inodes kept open by sessions': String(head.sustained),
      'chunks of deleted files': String(head.delFiles),
      'secrets of the object storage': String(head.secretsRemoved.length),
    },
    horizon: horizonOf(head, at ?? opened?.at ?? new Date(0).toISOString()),
    guide: restoreGuide(head, consistency),
  };
};

const DAY_MS = 24 * 60 * 60 * 1000;

/** What was deleted or compacted after the instant leaves the bucket once it was in the trash for so many days. */
const horizonOf = ({ trashDays }: HeadFacts, at: string): Conclusion['horizon'] => ({
  at: new Date(Date.parse(at) + trashDays * DAY_MS).toISOString(),
  why: `blocks of files that were deleted or compacted since the backup leave the bucket after ${trashDays} ${trashDays === 1 ? 'day' : 'days'} (TrashDays)`,
});
