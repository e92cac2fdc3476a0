import { z } from 'zod';
import { parseJson } from '../../json.ts';
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

export const readSettings = async ({ client, repository: { id } }: Pick<Session, 'client' | 'repository'>): Promise<Setting[]> => {
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
  return found;
};

export const dumpSettings = async (session: Session, context: TaskContext): Promise<Part> => {
  const found = await readSettings(session);
  const sum = (size: (setting: Setting) => number): number => found.reduce((total, each) => total + size(each), 0);
  const facts: DumpFacts = {
    settings: {
      hidden: sum(({ kind }) => (kind === 'hidden' ? 1 : 0)),
      protection: sum((each) => (each.kind === 'protection' ? each.rules.length : 0)),
      pulls: sum(({ kind }) => (kind === 'pull' ? 1 : 0)),
      metadata: sum((each) => (each.kind === 'metadata' ? Object.keys(each.values).length : 0)),
      rules: found.some(({ kind }) => kind === 'rules'),
    },
  };
  const lines = found.map((each) => `${JSON.stringify(each)}\n`);
  const segments = found.length === 0 ? [] : [await writeLines(context, 0, lines, { kind: 'settings', count: found.length })];
  return { segments, digests: [], facts: parseJson(JSON.stringify(facts)) };
};
