import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MeilisearchAddress, MeilisearchAddressSchema } from '../../../src/sources/meilisearch/address.ts';
import { enqueue } from '../../../src/sources/meilisearch/api.ts';
import { type Client, withClient } from '../../../src/sources/meilisearch/client.ts';
import { checkDump } from '../../../src/sources/meilisearch/dump/check.ts';
import { mustEnd } from '../../../src/sources/meilisearch/marker.ts';
import { meilisearchTarget } from '../../../src/sources/meilisearch/target.ts';
import { chunked } from './chunked.ts';
import { auditOf, backUpAt, forever, restoreInto, services } from './harness.ts';

/** A real instance that may be changed: LIFEBOAT_TEST_MEILISEARCH=<url>, its key in MEILI_MASTER_KEY. Without it this is skipped. */
const url = process.env['LIFEBOAT_TEST_MEILISEARCH'];

const LINES = [
  '{"id":1,"big":9007199254740993,"one":1.0,"minus":-0.0,"text":"a \\" } ] \\\\ wonderful"}',
  '{"id":2,"title":"Totoro","nested":{"a":[1.5,{}]}}',
  '{"title":"Porco","id":3}',
];

describe.skipIf(url === undefined)('a real Meilisearch', () => {
  const uid = `lifeboat-test-${randomUUID().slice(0, 8)}`;
  const address: MeilisearchAddress = MeilisearchAddressSchema.parse({ url: url ?? 'http://nowhere' });
  const using = <Result>(use: (client: Client) => Promise<Result>): Promise<Result> => withClient(address, services, undefined, use);

  beforeAll(() =>
    using(async (client) => {
      const created = await enqueue(client, 'POST', '/indexes', { json: { uid, primaryKey: 'id' } });
      const added = await enqueue(client, 'POST', `/indexes/${uid}/documents`, {
        body: { bytes: Buffer.from(LINES.join('\n')), type: 'application/x-ndjson' },
      });
      await mustEnd(client, [created, added], forever);
    }),
  );
  afterAll(() => using(async (client) => mustEnd(client, [await enqueue(client, 'DELETE', `/indexes/${uid}`)], forever)));

  it('is dumped into a whole file, restored over itself with --overwrite, and equal', async () => {
    const backup = await backUpAt(address);
    const checked = await checkDump(() => chunked(backup.dump, 65_536));
    expect(checked.documents.get(uid)).toBe(LINES.length);
    expect(checked.digests).toEqual(backup.manifest.digests.filter(({ name }) => name.startsWith('documents/')));
    const target = meilisearchTarget(address, services);
    await restoreInto(target, backup, { overwrite: true });
    const { digests } = await auditOf(target, backup, { overwrite: true });
    expect(digests.find(({ name }) => name === `documents/${uid}`)).toEqual(
      backup.manifest.digests.find(({ name }) => name === `documents/${uid}`),
    );
  });
});
