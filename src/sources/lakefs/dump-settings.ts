import { z } from 'zod';
import type { Part, TaskContext } from '../contract.ts';
import { writeLines } from './inventory.ts';
import { branches, ProtectionSchema, PullSchema, RulesSchema, settings } from './rest/api.ts';
import type { Session } from './session.ts';
import type { DumpFacts } from './tasks.ts';

/** What lakeFS's own restore loses: one line a setting. */
export const SettingSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hidden'), branch: z.string() }),
  z.object({ kind: z.literal('protection'), rules: ProtectionSchema }),
  z.object({ kind: z.literal('metadata'), values: z.record(z.string(), z.string()) }),
  z.object({ kind: z.literal('rules'), rules: RulesSchema }),
  z.object({ kind: z.literal('pull'), pull: PullSchema }),
]);
export type Setting = z.output<typeof SettingSchema>;

export const dumpSettings = async ({ client, repository: { id } }: Session, context: TaskContext): Promise<Part> => {
  const found: Setting[] = [];
  const shown = new Set<string>();
  // lakeFS never says that a branch is hidden: it is what one list has and the other has not.
  for await (const branch of branches(client, id, false)) shown.add(branch.id);
  for await (const branch of branches(client, id, true)) if (!shown.has(branch.id)) found.push({ kind: 'hidden', branch: branch.id });
  const protection = await settings.protection(client, id);
  if (protection.length > 0) found.push({ kind: 'protection', rules: protection });
  const metadata = await settings.metadata(client, id);
  if (Object.keys(metadata).length > 0) found.push({ kind: 'metadata', values: metadata });
  const rules = await settings.rules(client, id);
  if (rules !== undefined) found.push({ kind: 'rules', rules });
  for await (const pull of settings.pulls(client, id)) found.push({ kind: 'pull', pull });
  const count = (kind: Setting['kind']): number => found.filter((each) => each.kind === kind).length;
  const facts: DumpFacts = {
    settings: {
      hidden: count('hidden'),
      protection: protection.length,
      pulls: count('pull'),
      metadata: Object.keys(metadata).length,
      rules: rules !== undefined,
    },
  };
  const lines = found.map((each) => `${JSON.stringify(each)}\n`);
  const segments = found.length === 0 ? [] : [await writeLines(context, 0, lines, { kind: 'settings', count: found.length })];
  return { segments, digests: [], facts: JSON.parse(JSON.stringify(facts)) };
};
