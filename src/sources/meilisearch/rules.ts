import { z } from 'zod';
import type { Json } from '../../backup/types.ts';
import type { Budget } from '../contract.ts';
import { enqueue } from './api.ts';
import type { Client } from './client.ts';
import { JsonValue, type Rule, RuleSchema } from './dump/rule.ts';
import { mustEnd } from './marker.ts';

const ROUTE = '/dynamic-search-rules';
const FEATURE = 'dynamicSearchRules';
const PAGE = 1000;
const PageSchema = z.object({ results: z.array(RuleSchema), total: z.int() });

/** By uid; none where the feature is off, or the server too old for it. */
export const rulesOf = async (client: Client, features: Readonly<Record<string, unknown>>): Promise<Rule[]> => {
  if (features[FEATURE] !== true) return [];
  const found: Rule[] = [];
  for (;;) {
    const page = await client.json(PageSchema, 'POST', ROUTE, { json: { offset: found.length, limit: PAGE }, reads: true });
    found.push(...page.results);
    if (page.results.length === 0 || found.length >= page.total) return found.sort((a, b) => (a.uid < b.uid ? -1 : 1));
  }
};

/** What a rule says is replaced; its date is that of the restore. */
export const restoreRules = async (client: Client, rules: readonly Rule[], budget: Budget): Promise<void> => {
  const tasks: number[] = [];
  for (const { uid, lastUpdatedAt: _, ...says } of rules)
    tasks.push(
      await enqueue(client, 'PATCH', `${ROUTE}/${encodeURIComponent(uid)}`, {
        json: z.record(z.string(), JsonValue).parse(says) satisfies Json,
      }),
    );
  await mustEnd(client, tasks, budget);
};

export const removeRules = async (client: Client, uids: readonly string[], budget: Budget): Promise<void> => {
  const tasks: number[] = [];
  for (const uid of uids) tasks.push(await enqueue(client, 'DELETE', `${ROUTE}/${encodeURIComponent(uid)}`));
  await mustEnd(client, tasks, budget);
};
