import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/sources/postgres/connect.ts';
import { connect } from '../../../src/sources/postgres/connect.ts';
import { copyOut, type RowSink } from '../../../src/sources/postgres/copy-out.ts';
import { postgresUrl } from '../../support/postgres.ts';
import { addressOf, services } from './harness.ts';

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};

/** A connection whose server answers any query with `bytes`, cut at `cuts`. */
const answering = (bytes: Buffer, cuts: readonly number[]): Connection => {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)) {
    if (cut > from) pieces.push(bytes.subarray(from, cut));
    from = Math.max(from, cut);
  }
  const stream = new Duplex({
    read() {},
    write(_query, _encoding, done) {
      for (const piece of pieces) this.push(piece);
      done();
    },
  });
  // Only what copyOut uses of a connection.
  return { address: addressOf('postgres://u@h/d'), stream } as unknown as Connection;
};

const collect = () => {
  const rows: string[] = [];
  const sink: RowSink = { row: (bytes, start, end) => rows.push(bytes.toString('latin1', start, end)) };
  return { rows, sink };
};

describe('the reader of COPY', () => {
  it('gives the same rows however the bytes arrive, among whatever other messages', async () => {
    const row = fc
      .string({ maxLength: 300, unit: fc.constantFrom('a', '\t', '\\', 'é', ' ') })
      .map((text) => Buffer.from(text, 'latin1').toString('latin1'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 60 }),
        fc.boolean(),
        async (expected, cuts, noisy) => {
          const notice = noisy ? [message('N', Buffer.from('SNOTICE\0\0')), message('S', Buffer.from('TimeZone\0UTC\0'))] : [];
          const bytes = Buffer.concat([
            message('H', Buffer.alloc(3)),
            ...expected.flatMap((text) => [...notice, message('d', Buffer.from(`${text}\n`, 'latin1'))]),
            message('c', Buffer.alloc(0)),
            message('C', Buffer.from(`COPY ${expected.length}\0`)),
            message('Z', Buffer.from('I')),
          ]);
          const { rows, sink } = collect();
          expect(await copyOut(answering(bytes, cuts), 'COPY', sink, 'reading')).toEqual({ rows: expected.length, complete: true });
          expect(rows).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('fails with what the server says, after rows too', async () => {
    const error = message('E', Buffer.from('SERROR\0C42501\0Mpermission denied for table t\0\0'));
    const bytes = Buffer.concat([message('d', Buffer.from('1\n')), error, message('Z', Buffer.from('I'))]);
    await expect(copyOut(answering(bytes, [3, 9]), 'COPY', collect().sink, 'reading table t')).rejects.toMatchObject({
      code: 'PermissionDenied',
      message: 'reading table t: permission denied for table t',
    });
  });

  it('waits for the sink before it reads on, and the session goes on afterwards', async () => {
    const connection = await connect(addressOf(postgresUrl()), services);
    let waiting = 0;
    let most = 0;
    let batches = 0;
    const result = await copyOut(
      connection,
      `COPY (SELECT repeat('x', 1000) FROM generate_series(1, 5000)) TO STDOUT`,
      {
        row: () => {
          most = Math.max(most, waiting);
        },
        batch: () => {
          batches++;
          waiting++;
          return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
            waiting--;
          });
        },
      },
      'reading',
    );
    expect(result).toEqual({ rows: 5000, complete: true });
    expect(batches).toBeGreaterThan(10);
    expect(most).toBe(0);
    expect(await connection.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await connection.close();
  });

  it('stops where the sink says, and drops the connection', async () => {
    const connection = await connect(addressOf(postgresUrl()), services);
    let rows = 0;
    const result = await copyOut(
      connection,
      `COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT`,
      { row: () => void rows++, batch: () => (rows > 100 ? 'stop' : undefined) },
      'reading',
    );
    expect(result).toEqual({ rows, complete: false });
    expect(rows).toBeLessThan(50_000);
    await expect(connection.query('SELECT 1')).rejects.toMatchObject({ code: 'ConnectionLost' });
    await connection.close();
  });

  it('ends at once when it is aborted, with the reason that was given', async () => {
    const connection = await connect(addressOf(postgresUrl()), services);
    const stop = new AbortController();
    const reason = new Error('time is over');
    setTimeout(() => stop.abort(reason), 50);
    await expect(copyOut(connection, 'COPY (SELECT pg_sleep(60)) TO STDOUT', collect().sink, 'reading', stop.signal)).rejects.toBe(reason);
    await connection.close();
  });
});
