import { z } from 'zod';
import type { Json } from '../../../backup/types.ts';
import { schemaChecked } from './invalid.ts';

export const JsonValue: z.ZodType<Json> = z.json();

/** A dynamic search rule, as its route shows it. */
export const RuleSchema = z.object({ uid: z.string(), lastUpdatedAt: z.string().optional() }).catchall(JsonValue);
export type Rule = z.output<typeof RuleSchema>;

/** The hidden index in which a server keeps its rules, and dumps them. */
export const RULES_INDEX = '.meili_dsr';

/**
 * A dump over HTTP has its rules as tasks that wait: Meilisearch makes its hidden index of them after the import, with the settings of
 * its own version. The date of the task becomes that of the rule.
 */
export const ruleTask = ({ uid: ruleUid, lastUpdatedAt, ...update }: Rule, uid: number, dumpDate: string): Json => {
  const change = { createOrUpdate: { rule_id: ruleUid, update } };
  return {
    uid,
    batchUid: null,
    indexUid: RULES_INDEX,
    status: 'enqueued',
    type: { dsrUpdate: change },
    details: { DsrUpdate: change },
    enqueuedAt: lastUpdatedAt ?? dumpDate,
  };
};

const TaskSchema = z.object({
  type: z.object({ dsrUpdate: z.object({ createOrUpdate: z.object({ rule_id: z.string(), update: z.record(z.string(), JsonValue) }) }) }),
  enqueuedAt: z.string(),
});

/** The rule that a waiting task makes; undefined for any other task. */
export const ruleOfTask = (task: unknown): Rule | undefined => {
  const parsed = TaskSchema.safeParse(task);
  if (!parsed.success) return undefined;
  const { rule_id: uid, update } = parsed.data.type.dsrUpdate.createOrUpdate;
  return { ...update, uid, lastUpdatedAt: parsed.data.enqueuedAt };
};

/** A line of the hidden index, less the count that the server adds for itself. */
export const ruleOfLine = (line: unknown, what: string): Rule => {
  const { conditions, ...rest } = schemaChecked(RuleSchema, line, what);
  if (!isObject(conditions)) return { ...rest, ...(conditions === undefined ? {} : { conditions }) } as Rule;
  const { filter, ...others } = conditions;
  if (!isObject(filter)) return { ...rest, conditions } as Rule;
  const { nbConstraints: _, ...kept } = filter;
  return { ...rest, conditions: { ...others, filter: kept } } as Rule;
};

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
