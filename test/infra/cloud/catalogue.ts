import { freshDatabase, postgresUrl, query } from '../../support/postgres.ts';
import { exampleWith } from '../support.ts';

/** The databases of the example's `catalog-prod`, on the PostgreSQL server of the tests. */
export interface Catalogue {
  /** The example, whose three databases are on that server; `secretArn` says the ARN of a secret of the file where it is another. */
  readonly environment: (secretArn?: (arn: string) => string) => unknown;
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
  return {
    environment: (secretArn = (arn) => arn) => {
      const raw = exampleWith((example) => {
        const server = { host: url.hostname, port: Number(url.port), user: 'postgres', sslmode: 'disable' };
        Object.assign(example.sources['catalog-prod'], server, { database: source.name, concurrency: 2, retention: { last: 1 } });
        Object.assign(example.targets.drills, server, { database: 'postgres' });
        Object.assign(example.targets.standby, server, { database: target.name });
        // An emulated S3 has one name for all buckets.
        Object.assign(example.store, { forcePathStyle: true });
        Object.assign(example.control, { forcePathStyle: true });
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
