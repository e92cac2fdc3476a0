import { LifeboatError } from '../../errors.ts';
import type { Services, Stage } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { withConnection } from './connect.ts';
import type { ServerFacts } from './dump-facts.ts';
import { errnoOf } from './errors.ts';
import { identifier } from './sql.ts';

/** Only databases of this name are ever made or dropped. */
export const SCRATCH_PREFIX = 'lifeboat_drill_';

const UNKNOWN_CHARSET = 1115;
const UNKNOWN_COLLATION = 1273;

export const isScratchName = (database: string): boolean => database.startsWith(SCRATCH_PREFIX);

export const refuseUnlessScratch = (address: MysqlAddress): void => {
  if (isScratchName(address.database)) return;
  throw new LifeboatError(
    'TargetUnusable',
    `database "${address.database}" is no scratch database: its name does not begin with ${SCRATCH_PREFIX}`,
    {
      hint: 'A drill makes and drops a database of its own; name a server, and leave the database to it.',
    },
  );
};

/** Makes the scratch database unless it is there, with the collation of the source where this server has it. Answers whether it has. */
export const createScratch = async (
  address: MysqlAddress,
  services: Services,
  { charset, collation }: Pick<ServerFacts, 'charset' | 'collation'>,
): Promise<'source' | 'server'> => {
  refuseUnlessScratch(address);
  return withConnection(
    address,
    services,
    async (connection) => {
      const make = `CREATE DATABASE IF NOT EXISTS ${identifier(address.database)}`;
      try {
        await connection.run(
          `${make} CHARACTER SET ${identifier(charset)} COLLATE ${identifier(collation)}`,
          'creating the scratch database',
        );
        return 'source';
      } catch (error) {
        if (![UNKNOWN_CHARSET, UNKNOWN_COLLATION].includes(errnoOf(error) ?? 0)) throw error;
      }
      await connection.run(make, 'creating the scratch database');
      return 'server';
    },
    { database: null, target: true },
  );
};

/** Drops the scratch database; done when it is not there. */
export const discardStage = (address: MysqlAddress, services: Services): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    refuseUnlessScratch(address);
    const drop = `DROP DATABASE IF EXISTS ${identifier(address.database)}`;
    await withConnection(address, services, (connection) => connection.run(drop, 'dropping the scratch database'), {
      database: null,
      target: true,
      signal: context.budget.signal,
    });
    return { segments: [], digests: [] };
  },
});
