import { z } from 'zod';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Budget, Cursor, Services, Stage, Tampering } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { detailsOf } from './gathered.ts';
import { openNamespace, poolKey } from './namespace.ts';
import { eachCommit, rangesOf } from './refs.ts';
import { deleteRepository, findRepository } from './rest/api.ts';
import { scratchNamespace } from './restore-input.ts';
import { connect, openSession } from './session.ts';
import { decodeEntry } from './sst/records.ts';
import { openTable, splitValue } from './sst/table.ts';

const REMOVALS_AT_ONCE = 16;
const CursorSchema = z.strictObject({ removed: z.int() });

/** Removes one data object of the scratch namespace: lakeFS itself goes on listing it as if nothing had happened. */
export const tamperWith = async (
  address: LakefsAddress,
  services: Services,
  manifest: Manifest,
  seed: number,
  budget: Budget,
): Promise<Tampering> => {
  scratchNamespace(address);
  const { metadata, objects } = await openSession(address, services, budget.signal);
  const metaRanges: string[] = [];
  await eachCommit(
    metadata,
    detailsOf(manifest).ids.commits_meta_range_id,
    ({ metaRangeId }) => void (metaRangeId !== '' && metaRanges.push(metaRangeId)),
    true,
  );
  for (let n = 0; n < metaRanges.length; n++) {
    const ranges = await rangesOf(metadata, metaRanges[(seed + n) % metaRanges.length] ?? '');
    const range = ranges[seed % Math.max(1, ranges.length)];
    if (range === undefined) continue;
    const candidates: { readonly path: string; readonly address: string }[] = [];
    openTable(await metadata.read(range.id)).forEach((path, value) => {
      const entry = decodeEntry(splitValue(value).data);
      if (entry.addressType === 'relative') candidates.push({ path: path.toString('utf8'), address: entry.address });
    });
    const victim = candidates[seed % Math.max(1, candidates.length)];
    if (victim === undefined) continue;
    await objects.delete(poolKey(victim.address));
    return { what: [`removed ${victim.address}, the bytes of ${victim.path}`], classes: ['data'] };
  }
  throw new LifeboatError('NotMeasured', 'the backup has no object that could be removed', {
    hint: 'A repository without objects cannot be drilled.',
  });
};

/** Removes the scratch repository, and then everything in its namespace; done when both are gone. */
export const discardStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, { budget }, resume) {
    const namespace = scratchNamespace(address);
    const client = await connect(address, services, budget.signal);
    const found = await findRepository(client, address.repository);
    if (found !== undefined && found.storage_namespace.replace(/\/+$/, '') !== namespace)
      throw new LifeboatError(
        'TargetUnusable',
        `scratch repository ${found.id} lies in ${found.storage_namespace} instead of ${namespace}; nothing was removed`,
      );
    if (found !== undefined) await deleteRepository(client, address.repository);
    const objects = await openNamespace(address, services, namespace);
    let removed = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).removed;
    let round: string[] = [];
    const remove = async (): Promise<void> => {
      await Promise.all(round.map((key) => objects.delete(key)));
      removed += round.length;
      round = [];
    };
    for await (const { key } of objects.list('')) {
      round.push(key);
      if (round.length < REMOVALS_AT_ONCE) continue;
      await remove();
      if (budget.remaining() <= 0) return { segments: [], digests: [], next: { cursor: JSON.stringify({ removed }) as Cursor } };
    }
    await remove();
    return { segments: [], digests: [] };
  },
});
