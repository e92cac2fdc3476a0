import type { Connection } from './connect.ts';
import { errnoOf } from './errors.ts';
import { naming, withoutDefiner, withoutSchedule } from './statement.ts';

/** ER_SPECIFIC_ACCESS_DENIED_ERROR, ER_NO_SUCH_USER: only administrators may give objects to other users. */
const DEFINER_REFUSED: readonly (number | undefined)[] = [1227, 1449];

export interface ReplayOptions {
  /** Events come disabled: a drill's copy must not act on its own. */
  readonly scratch: boolean;
}

/** One statement of definitions. Answers whether its definer had to be left out. */
export const replay = async (connection: Connection, sql: string, { scratch }: ReplayOptions): Promise<boolean> => {
  const text = scratch ? withoutSchedule(sql) : sql;
  const own = withoutDefiner(text);
  if (own === text || connection.address.definer === 'keep') {
    try {
      await connection.run(text, naming(text));
      return false;
    } catch (error) {
      if (own === text || !DEFINER_REFUSED.includes(errnoOf(error))) throw error;
    }
  }
  await connection.run(own, naming(own));
  return true;
};
