import { freshDatabase, postgresUrl, query } from '../../support/postgres.ts';
import { exampleWith } from '../support.ts';

/** The databases of the example's `catalog-prod`, on the PostgreSQL server of the tests. */
export interface Catalogue {
  /** The example, whose three databases are on that server. */
  readonly environment: () => unknown;
  /** Nothing but that source; `secretArn` says the ARN that a secret of the file has. */
  readonly alone: (secretArn: (arn: string) => string) => unknown;
  readonly password: string;
  readonly drop: () => Promise<void>;
}

/** A source with 1000 rows and a foreign key, and an empty target. */
export const catalogue = async (): Promise<Catalogue> => {
  const url = new URL(postgresUrl());
  const [source, target] = [await freshDatabase('cloud_source'), await freshDatabase('cloud_target')];
  await query(
    source.url,
    "CREATE TABLE thing (id int PRIMARY KEY, name text); INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 500) n",
  );
  await query(
    source.url,
    'CREATE TABLE part (id int PRIMARY KEY, thing int REFERENCES thing, data jsonb); INSERT INTO part SELECT n, n, \'{"a": 1}\' FROM generate_series(1, 500) n',
  );
  const environment = (change: Parameters<typeof exampleWith>[0] = () => undefined) =>
    exampleWith((raw) => {
      const server = { host: url.hostname, port: Number(url.port), user: 'postgres', sslmode: 'disable' };
      Object.assign(raw.sources['catalog-prod'], server, { database: source.name, concurrency: 2, retention: { last: 1 } });
      Object.assign(raw.targets.drills, server, { database: 'postgres' });
      Object.assign(raw.targets.standby, server, { database: target.name });
      // An emulated S3 has one name for all buckets.
      Object.assign(raw.store, { forcePathStyle: true });
      Object.assign(raw.control, { forcePathStyle: true });
      change?.(raw);
    });
  return {
    environment: () => environment(),
    alone: (secretArn) => {
      const raw = environment((example) => {
        const { drills, standby } = example.targets;
        Object.assign(example, { sources: { 'catalog-prod': example.sources['catalog-prod'] }, targets: { drills, standby } });
        Object.assign(example.deployment, { storage: {} });
      });
      return JSON.parse(JSON.stringify(raw).replace(/arn:aws:secretsmanager:[^"]+/g, secretArn));
    },
    password: decodeURIComponent(url.password) || 'a-password-that-trust-does-not-ask-for',
    drop: async () => {
      await source.drop();
      await target.drop();
    },
  };
};
