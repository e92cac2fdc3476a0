import { z } from 'zod';
import type { ClassDigest, Json } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import { parseJson } from '../../../json.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../../contract.ts';
import type { FolderAddress } from '../address.ts';
import { openTasks, statsOf } from '../api.ts';
import { auditDocuments, auditedIndexes, CursorSchema as RangeCursorSchema } from '../audit.ts';
import { auditInstance } from '../audit-checks.ts';
import type { Client } from '../client.ts';
import { RANGE_BYTES, rangesOf } from '../plan.ts';
import { waitTasks } from '../wait-tasks.ts';
import { occupants, placeAt, readMarker, removeBeside } from './place.ts';
import { findProgram } from './program.ts';
import { givenMasterKey, newMasterKey, withServer } from './server.ts';

/** The range that is next, and how many of its documents were read. */
const CursorSchema = z.strictObject({ range: z.int().nonnegative(), documents: z.int().nonnegative() });

/** One task: two servers must not work on one database. It starts Meilisearch, reads every document, and stops it. */
export const auditFolderStage = (address: FolderAddress, services: Services, rangeBytes: number = RANGE_BYTES): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context, resume) {
    const place = placeAt(address.folder);
    if ((await occupants(place)).length === 0)
      throw new LifeboatError('TargetUnusable', `there is no database at ${place.database}`, {
        hint: 'Functions share no disk: restore into a folder on one machine, or in one container.',
      });
    const given = await givenMasterKey(address, services);
    const start = { place, program: await findProgram(address), masterKey: given ?? newMasterKey() };
    try {
      return await withServer(start, services, context.budget, (client) =>
        auditAll(client, context, services, { resume, rangeBytes, ownMasterKey: given === undefined }),
      );
    } finally {
      if ((await readMarker(place)) === undefined) await removeBeside(place);
    }
  },
});

interface How {
  readonly resume: Cursor | undefined;
  readonly rangeBytes: number;
  readonly ownMasterKey: boolean;
}

const auditAll = async (client: Client, context: TaskContext, services: Services, how: How): Promise<Part> => {
  const indexes = await auditedIndexes(client, context);
  const stats = await statsOf(client);
  const ranges = indexes.flatMap((index) => [...rangesOf(index, stats, how.rangeBytes)]);
  const digests: ClassDigest[] = [];
  let facts: Json | undefined;
  let from = { range: 0, documents: 0 };
  if (how.resume !== undefined) from = CursorSchema.parse(parseJson(how.resume));
  else {
    await untilIdle(client, context);
    const part = await auditInstance(client, indexes, context, services, how.ownMasterKey);
    digests.push(...part.digests);
    facts = part.facts;
  }
  const part = (next?: typeof from): Part => ({
    segments: [],
    digests,
    ...(facts === undefined ? {} : { facts }),
    ...(next === undefined ? {} : { next: { cursor: JSON.stringify(next) as Cursor } }),
  });
  for (const [n, range] of ranges.entries()) {
    if (n < from.range) continue;
    const read = n === from.range && from.documents > 0 ? (JSON.stringify({ documents: from.documents }) as Cursor) : undefined;
    const { digests: found, next } = await auditDocuments(client, range, context, read);
    digests.push(...found);
    if (next !== undefined) return part({ range: n, documents: RangeCursorSchema.parse(parseJson(next.cursor)).documents });
    if (context.budget.remaining() <= 0 && n + 1 < ranges.length) return part({ range: n + 1, documents: 0 });
  }
  return part();
};

/** Tasks that waited when a server wrote the dump run after its import. */
const untilIdle = async (client: Client, { budget }: TaskContext): Promise<void> => {
  for (;;) {
    const { open } = await openTasks(client);
    if (open.length === 0) return;
    const left = await waitTasks(
      client,
      open.map(({ uid }) => uid),
      budget,
    );
    if (left.length > 0)
      throw new LifeboatError('SourceBusy', `task ${left[0]} of the restored database has not ended`, {
        hint: 'It waited when the dump was made, and runs now: audit again later with --only audit.',
      });
  }
};
