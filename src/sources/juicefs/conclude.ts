import { z } from 'zod';
import type { Json, PointInTime } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Conclusion, StageContext } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { parseSetting, secretsIn } from './format/setting.ts';
import { restoreGuide } from './guide.ts';
import type { Head } from './model.ts';

const HeadFacts = z.object({
  engine: z.string(),
  name: z.string(),
  uuid: z.string(),
  trashDays: z.number(),
  secretsRemoved: z.array(z.string()),
  sustained: z.number(),
  delFiles: z.number(),
  openSessions: z.string(),
});
export type HeadFacts = z.output<typeof HeadFacts>;

const FactsSchema = z.object({
  head: HeadFacts.optional(),
  entries: z.number().optional(),
  at: z.string().optional(),
  until: z.string().optional(),
  changes: z.string().optional(),
});

/** Beside the segments: what a drill, a list or a doctor needs to know of the volume. */
export const DetailsSchema = z.object({
  head: HeadFacts,
  entries: z.string(),
  changes: z.string().nullable(),
  until: z.string().nullable(),
});

export const factsOfHead = (address: JuicefsAddress, head: Head): Json => {
  const setting = parseSetting(head.setting);
  return {
    engine: address.engine,
    name: setting.name,
    uuid: setting.uuid,
    trashDays: setting.trashDays,
    secretsRemoved: address.keepSecretKey ? [] : [...secretsIn(setting)],
    sustained: head.sustained.reduce((sum, { inodes }) => sum + inodes.length, 0),
    delFiles: head.delFiles.length,
    openSessions: String(head.sustained.length),
  } satisfies HeadFacts;
};

/** From the receipts of the dump alone. */
export const concludeDump = async (context: StageContext): Promise<Conclusion> => {
  let head: HeadFacts | undefined;
  let entries = 0n;
  let at: string | undefined;
  let until: string | undefined;
  let parts = 0;
  const changes = new Set<string>();
  for await (const receipt of context.receipts('dump')) {
    const facts = FactsSchema.parse(receipt.facts ?? {});
    head ??= facts.head;
    entries += BigInt(facts.entries ?? 0);
    at ??= facts.at;
    until = facts.until ?? until;
    if (facts.changes !== undefined) changes.add(facts.changes);
    parts += 1;
  }
  if (head === undefined) throw new LifeboatError('BackupIncomplete', 'no receipt of the dump has the head of the volume');
  const [opened] = await context.instants();
  const quiet = changes.size === 1 && changes.has('none') && parts === 1;
  const consistency: PointInTime['consistency'] = head.engine === 'redis' ? (quiet ? 'quiesced' : 'fuzzy') : 'snapshot';
  return {
    pointInTime: { consistency, at: at ?? opened?.at ?? new Date(0).toISOString(), token: until === undefined ? {} : { until } },
    artifact: { format: 'JuiceFS dump (JSON)', restoreWith: 'juicefs load' },
    assertions: [
      { name: 'juicefs.name', value: head.name },
      { name: 'juicefs.uuid', value: head.uuid },
    ],
    details: {
      head,
      entries: entries.toString(),
      changes: changes.size === 0 ? null : [...changes].join(', '),
      until: until ?? null,
    } satisfies z.input<typeof DetailsSchema>,
    notIncluded: {
      'inodes kept open by sessions': String(head.sustained),
      'chunks of deleted files': String(head.delFiles),
      'secrets of the object storage': String(head.secretsRemoved.length),
    },
    guide: restoreGuide(head, consistency),
  };
};
