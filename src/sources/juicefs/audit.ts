import { z } from 'zod';
import { type DigestFactory, loadDigest } from '../../backup/digest.ts';
import type { Check, Manifest } from '../../backup/types.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { DetailsSchema } from './conclude.ts';
import { openReader, openWriter } from './engines/open.ts';
import type { Reader } from './engines/reader.ts';
import { nextIds } from './engines/sql-finish.ts';
import { parseSetting } from './format/setting.ts';
import { openStretch } from './read/document.ts';
import { planStretches, StretchSchema, type StretchTask, volume } from './read/plan.ts';
import { entryDigest, headDigests } from './read/rows.ts';
import { digestSink, stretchOf } from './read/segments.ts';
import { readHeadToLoad, restoreInput } from './restore-input.ts';

const AuditTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('checks') }),
  z.strictObject({ kind: z.literal('stretch'), stretch: StretchSchema }),
]);

/** Reads every name that is really there, by ranges of its own. */
export const auditStage = (address: JuicefsAddress, services: Services): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan() {
    yield { task: { kind: 'checks' } };
    const reader = await openReader(address, services);
    try {
      const { counters } = await reader.head();
      for await (const stretch of planStretches(reader, volume(false), counters.usedInodes)) yield { task: { kind: 'stretch', stretch } };
    } finally {
      await reader.close();
    }
  },
  async run(json, context, resume): Promise<Part> {
    const task = AuditTaskSchema.parse(json);
    const reader = await openReader(address, services);
    try {
      const factory = await loadDigest();
      if (task.kind === 'checks') return await checksPart(address, services, reader, factory, context);
      return await stretchPart(resume === undefined ? task.stretch : StretchSchema.parse(JSON.parse(resume)), reader, factory, context);
    } finally {
      await reader.close();
    }
  },
});

const stretchPart = async (task: StretchTask, reader: Reader, factory: DigestFactory, context: TaskContext): Promise<Part> => {
  const digest = entryDigest(factory);
  const stretch = stretchOf(task);
  const read = openStretch(reader, stretch, digestSink(digest, stretch.root, task.tree));
  let told = 0;
  for (let piece = await read.next(); piece !== undefined; piece = await read.next()) {
    context.progress({ rows: read.entries - told, bytes: piece.length, what: task.tree });
    told = read.entries;
    if (read.ended || context.budget.remaining() > 0) continue;
    const rest: StretchTask = {
      ...task,
      from: read.position(),
      follows: false,
      entries: task.entries === null ? null : task.entries - read.entries,
    };
    return { segments: [], digests: [digest.end()], next: { cursor: JSON.stringify(rest) as Cursor } };
  }
  return { segments: [], digests: [digest.end()] };
};

const checksPart = async (
  address: JuicefsAddress,
  services: Services,
  reader: Reader,
  factory: DigestFactory,
  context: TaskContext,
): Promise<Part> => {
  const head = await reader.head();
  const { manifest } = restoreInput(context);
  const writer = await openWriter(address, services);
  try {
    const checks = [
      ...(await writer.checks()),
      ...assertionChecks(manifest, parseSetting(head.setting)),
      ...idChecks(head.counters, await readHeadToLoad(context)),
    ];
    return { segments: [], digests: headDigests(factory, head), facts: { checks: z.json().parse(checks) } };
  } finally {
    await writer.close();
  }
};

const assertionChecks = (manifest: Manifest, setting: { readonly name: string; readonly uuid: string }): Check[] => {
  const { head } = DetailsSchema.parse(manifest.details);
  const pairs = [
    ['juicefs.name', head.name, setting.name],
    ['juicefs.uuid', head.uuid, setting.uuid],
  ] as const;
  return pairs.map(([name, expected, actual]) => ({ name, expected, actual, ok: expected === actual }));
};

/** An id that is handed out again would overwrite objects of another file. */
const idChecks = (now: { readonly nextInodes: bigint; readonly nextChunk: bigint }, head: Parameters<typeof nextIds>[0]): Check[] => {
  const least = nextIds(head, { inode: 0n, slice: 0n, trash: 0n });
  const atLeast = (name: string, expected: bigint, actual: bigint): Check => ({
    name,
    expected: `at least ${expected}`,
    actual: String(actual),
    ok: actual >= expected,
  });
  return [atLeast('next inode', least.nextInode, now.nextInodes), atLeast('next slice', least.nextChunk, now.nextChunk)];
};
