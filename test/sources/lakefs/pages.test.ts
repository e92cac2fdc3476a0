import { describe, expect, it } from 'vitest';
import { tags } from '../../../src/sources/lakefs/rest/api.ts';
import type { Client } from '../../../src/sources/lakefs/rest/client.ts';

const page = (ids: readonly string[], next: string | undefined) => ({
  status: 200,
  headers: new Headers(),
  body: {
    pagination: { has_more: next !== undefined, next_offset: next ?? '' },
    results: ids.map((id) => ({ id, commit_id: 'a'.repeat(64) })),
  },
});

const serving = (answer: (after: unknown) => ReturnType<typeof page>): Client => ({
  login: { api: 'http://here/api/v1', accessKeyId: '', secretAccessKey: '' },
  send: async ({ query }) => answer(query?.['after']),
  stream: async () => ({ status: 404, message: 'nothing' }),
});

describe('pages of lakeFS', () => {
  it('are read to the last', async () => {
    const client = serving((after) => (after === undefined ? page(['v1', 'v2'], 'v2') : page(['v3'], undefined)));
    expect((await Array.fromAsync(tags(client, 'sample'))).map(({ id }) => id)).toEqual(['v1', 'v2', 'v3']);
  });

  it('that come to no end are an error, and no endless list', async () => {
    const client = serving(() => page(['v1'], 'v1'));
    await expect(Array.fromAsync(tags(client, 'sample'))).rejects.toMatchObject({
      code: 'ServerFailed',
      message: expect.stringContaining('do not end'),
    });
  });
});
