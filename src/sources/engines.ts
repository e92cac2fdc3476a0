import type { JoinLanes } from './juicefs/engines/lanes.ts';
import { type MysqlAddress, MysqlAddressSchema } from './mysql/address.ts';
import { auditStage as mysqlAudit } from './mysql/audit.ts';
import { concludeDump as concludeMysql } from './mysql/conclude.ts';
import { connect as connectMysql, withConnection as withMysql } from './mysql/connect.ts';
import { inspectDatabase as inspectMysql } from './mysql/inspect.ts';
import { passBarrier } from './mysql/pass-barrier.ts';
import { quiescedDump } from './mysql/quiesced.ts';
import { sealStage as mysqlSeal } from './mysql/seal.ts';
import { damage as damageMysql } from './mysql/tamper.ts';
import { mysqlTarget } from './mysql/target.ts';
import { type PostgresAddress, PostgresAddressSchema } from './postgres/address.ts';
import { auditStage } from './postgres/audit.ts';
import { concludeDump } from './postgres/conclude.ts';
import { withConnection } from './postgres/connect.ts';
import { dumpStage } from './postgres/dump.ts';
import { inspectDatabase } from './postgres/inspect.ts';
import { quiescedToken } from './postgres/instant.ts';
import { sealStage } from './postgres/seal.ts';
import { damage } from './postgres/tamper.ts';
import { postgresTarget } from './postgres/target.ts';
import type { Engine, Login } from './rds/engine.ts';

/** The kinds that speak to the servers inside RDS instances, as the kind `rds` needs them. Neither knows of the other. */

const postgresAt = ({ password, ...login }: Login): PostgresAddress => PostgresAddressSchema.parse({ ...login, inlinePassword: password });

const postgres: Engine = {
  names: ['postgres', 'aurora-postgresql'],
  product: 'PostgreSQL',
  inspect: (login, services) => withConnection(postgresAt(login), services, inspectDatabase),
  dump: (login, services) => dumpStage(postgresAt(login), services),
  quiesced: quiescedToken,
  seal: sealStage,
  conclude: concludeDump,
  audit: (login, services) => auditStage(postgresAt(login), services),
  tamper: (login, services, manifest, seed, budget) => damage(postgresAt(login), services, manifest, seed, budget),
  target: (login, services) => postgresTarget(postgresAt(login), services),
};

const mysqlAt = ({ password, ...login }: Login): MysqlAddress => MysqlAddressSchema.parse({ ...login, inlinePassword: password });

const mysql = (names: readonly string[], product: string): Engine => ({
  names,
  product,
  inspect: (login, services) => withMysql(mysqlAt(login), services, inspectMysql),
  dump: (login, services) => quiescedDump(mysqlAt(login), services),
  // A connection needs nothing to see what all others see.
  quiesced: (origin) => ({ quiesced: origin }),
  seal: mysqlSeal,
  conclude: concludeMysql,
  audit: (login, services) => mysqlAudit(mysqlAt(login), services),
  tamper: (login, services, manifest, seed, budget) => damageMysql(mysqlAt(login), services, manifest, seed, budget),
  target: (login, services) => mysqlTarget(mysqlAt(login), services),
});

export const engines: readonly Engine[] = [postgres, mysql(['mysql', 'aurora-mysql'], 'MySQL'), mysql(['mariadb'], 'MariaDB')];

/** The barrier of the kind `mysql`, for volumes of JuiceFS that live on such a server. */
export const joinMysqlLanes: JoinLanes = async (login, services, request) => {
  const connection = await connectMysql(MysqlAddressSchema.parse(login), services);
  try {
    const passed = await passBarrier(connection, services, request);
    return { rows: (sql, doing) => connection.raw(sql, doing), at: passed?.at, close: () => connection.close() };
  } catch (error) {
    connection.destroy();
    throw error;
  }
};
