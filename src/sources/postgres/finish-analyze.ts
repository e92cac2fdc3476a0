import { z } from 'zod';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, Stage } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { MARKER } from './catalog.ts';
import { qualified } from './sql.ts';
import { withTarget } from './target-session.ts';

/** ANALYZE samples, so that small and large tables differ less than their sizes. */
const TABLES_A_TASK = 50;
/** A table of this size is a task of its own. In bytes. */
const LARGE_TABLE_BYTES = 64 * 1024 * 1024;

const AnalyzeTaskSchema = z.strictObject({ tables: z.array(z.strictObject({ schema: z.string(), name: z.string() })).min(1) });
const CursorSchema = z.strictObject({ at: z.int().nonnegative() });
const Row = z.object({ schema: z.string(), name: z.string(), bytes: z.number() });

/** Partitioned tables take their partitions along. */
const TABLES = `
SELECT n.nspname AS schema, c.relname AS name,
       CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_table_size(relid)), 0) FROM pg_partition_tree(c.oid)) ELSE pg_table_size(c.oid) END::float8 AS bytes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT (n.nspname = '${MARKER.schema}' AND c.relname = '${MARKER.name}')
 ORDER BY bytes DESC, c.oid`;

/** Statistics for the planner; without them a restored database is slow until autovacuum comes by. */
export const analyzeStage = (address: PostgresAddress, services: Services): Stage => ({
  name: 'finish-analyze',
  mode: 'independent',
  async *plan(context) {
    const tables = await withTarget(address, services, context.budget, (session) => session.rows(Row, TABLES));
    const small = tables.filter((table) => table.bytes <= LARGE_TABLE_BYTES).map(({ schema, name }) => ({ schema, name }));
    for (const { schema, name } of tables.slice(0, tables.length - small.length)) yield { task: { tables: [{ schema, name }] } };
    for (let at = 0; at < small.length; at += TABLES_A_TASK) yield { task: { tables: small.slice(at, at + TABLES_A_TASK) } };
  },
  async run(task, context, resume): Promise<Part> {
    const { tables } = AnalyzeTaskSchema.parse(task);
    const from = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).at;
    const at = await withTarget(address, services, context.budget, async (session) => {
      let next = from;
      for (const { schema, name } of tables.slice(from)) {
        if (next > from && context.budget.remaining() <= 0) break;
        await session.write(`ANALYZE ${qualified(schema, name)}`, `analyzing ${schema}.${name}`);
        next++;
      }
      return next;
    });
    const part = { segments: [], digests: [] };
    return at < tables.length ? { ...part, next: { cursor: JSON.stringify({ at }) as Cursor } } : part;
  },
});
