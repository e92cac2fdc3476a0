import type { Acl } from '../model.ts';
import { aclFromRow, aclKey, packAcl } from './acl.ts';
import { type Into, type SqlSession, small } from './sql.ts';
import { MARKER } from './tables.ts';
import type { Occurrence } from './writer.ts';

export type Transaction = <Result>(work: () => Promise<Result>) => Promise<Result>;

const RULES: Into = {
  table: 'acl',
  columns: ['id', 'owner', 'group', 'mask', 'other', 'named_users', 'named_groups'],
  there: 'keep',
};
/** Whoever comes second waits for this row. */
const LOCK: Into = { table: MARKER.name, columns: ['item', 'detail'], there: 'replace' };

/** All access rules of a volume by number: there are as many as there are different ones. */
export const readRules = async ({ dialect, rows }: SqlSession): Promise<Map<number, Acl>> => {
  const found = await rows(`SELECT ${RULES.columns.map(dialect.column).join(', ')} FROM ${dialect.table('acl')}`, 'reading access rules');
  return new Map(found.map((row) => [small(row[0]), aclFromRow(row)]));
};

/** Gives each rule that is new its number, one writer after the other. `known` has them by key. */
export const numberRules = async (
  session: SqlSession,
  transaction: Transaction,
  known: Map<string, number>,
  occurrences: readonly Occurrence[],
): Promise<void> => {
  const rules = occurrences.flatMap(({ entry }) => [entry.accessAcl, entry.defaultAcl]).filter((rule): rule is Acl => rule !== undefined);
  const wanted = new Map(rules.map((rule) => [aclKey(rule), rule]));
  for (const key of known.keys()) wanted.delete(key);
  if (wanted.size === 0) return;
  const numbered = await transaction(async () => {
    await session.insert(LOCK, [['acl', 'locked']], 'numbering access rules');
    const numbers = new Map([...(await readRules(session))].map(([number, rule]) => [aclKey(rule), number]));
    for (const [key, rule] of wanted) {
      if (numbers.has(key)) continue;
      const number = Math.max(0, ...numbers.values()) + 1;
      const row = [number, rule.owner, rule.group, rule.mask, rule.other, packAcl(rule.users), packAcl(rule.groups)];
      await session.insert(RULES, [row], 'numbering access rules');
      numbers.set(key, number);
    }
    return numbers;
  });
  for (const [key, number] of numbered) known.set(key, number);
};
