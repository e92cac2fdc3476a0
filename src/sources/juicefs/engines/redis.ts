import type { Redis } from 'ioredis';
import { LifeboatError } from '../../../errors.ts';

const CONNECT_TIMEOUT_MS = 15_000;

export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly tls: boolean;
  /** Before every key: `{3}` for database 3 of a cluster, else nothing. */
  readonly prefix: string;
}

export type Argument = string | number | Buffer;
export type Reply = Buffer | string | number | null | readonly Reply[];

/** What is needed of a client: commands with raw bytes, many at once. */
export interface RedisSession {
  readonly prefix: string;
  call(...command: readonly [string, ...Argument[]]): Promise<Reply>;
  /** Answers in order; fails with the first error. */
  pipeline(commands: readonly (readonly [string, ...Argument[]])[]): Promise<readonly Reply[]>;
  close(): Promise<void>;
}

const connect = async (place: RedisPlace, protocol: 2 | 3 = 3): Promise<Redis> => {
  const { Redis: Client } = await import('ioredis');
  const client = new Client({
    protocol,
    host: place.host,
    port: place.port,
    ...(place.user === undefined ? {} : { username: place.user }),
    ...(place.password === undefined ? {} : { password: place.password }),
    ...(place.tls ? { tls: {} } : {}),
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableOfflineQueue: false,
  });
  // Without a listener an error would end the process. Why a login failed is told here alone; other errors show in the next answer.
  let told: Error | undefined;
  client.on('error', (error) => {
    told ??= error;
  });
  try {
    await client.connect();
    await client.ping();
    // The client's own way of choosing a database goes on with another one when that is refused. A cluster has one database; its number
    // is part of the prefix.
    if (place.prefix === '' && place.database !== 0) await client.select(place.database);
    return client;
  } catch (cause) {
    client.disconnect();
    throw mapped(told ?? cause, shownPlace(place));
  }
};

const shownPlace = ({ host, port, database }: RedisPlace): string => `${host}:${port}/${database}`;

/** Fails with ConnectionRefused or LoginFailed. */
export const openRedis = async (place: RedisPlace): Promise<RedisSession> => {
  const client = await connect(place);
  const fail = (cause: unknown): LifeboatError => mapped(cause, shownPlace(place));
  return {
    prefix: place.prefix,
    async call(name, ...values) {
      try {
        return (await client.callBuffer(name, ...values)) as Reply;
      } catch (cause) {
        throw fail(cause);
      }
    },
    async pipeline(commands) {
      if (commands.length === 0) return [];
      const pipeline = client.pipeline();
      for (const [name, ...values] of commands) pipeline.callBuffer(name, ...values);
      const replies = await pipeline.exec().catch((cause: unknown) => {
        throw fail(cause);
      });
      return (replies ?? []).map(([error, reply]) => {
        if (error !== null) throw fail(error);
        return reply as Reply;
      });
    },
    async close() {
      await client.quit().catch(() => client.disconnect());
    },
  };
};

/** Where a server sends the names of keys that were written to, when another connection redirects them to `id`. */
export interface Invalidations {
  readonly id: number;
  /** Returns once all that was written before it has been told. */
  fence(): Promise<void>;
  close(): Promise<void>;
}

const CHANNEL = '__redis__:invalidate';

/** `tell` gets the names, undefined when a whole database was emptied. Undefined where the server or its rules do not allow it. */
export const subscribeInvalidations = async (
  place: RedisPlace,
  tell: (keys: readonly Buffer[] | undefined) => void,
): Promise<Invalidations | undefined> => {
  // Only the older protocol tells by way of a channel, and so in the order of its answers.
  const client = await connect(place, 2);
  try {
    const id = Number(await client.client('ID'));
    client.on('messageBuffer', (_channel: Buffer, keys: unknown) => tell(Array.isArray(keys) ? (keys as readonly Buffer[]) : undefined));
    await client.subscribe(CHANNEL);
    return {
      id,
      async fence() {
        // The answer to a second subscription stands in line behind what was told before.
        await client.subscribe(CHANNEL).catch((cause: unknown) => {
          throw mapped(cause, shownPlace(place));
        });
      },
      close: async () => client.disconnect(),
    };
  } catch {
    client.disconnect();
    return undefined;
  }
};

const mapped = (cause: unknown, at: string): LifeboatError => {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/NOPERM/.test(message))
    return new LifeboatError('PermissionDenied', `Redis at ${at}: ${message}`, {
      hint: 'docs/juicefs.md lists what the user must be allowed to do.',
      cause,
    });
  if (/WRONGPASS|NOAUTH|invalid password/i.test(message))
    return new LifeboatError('LoginFailed', `Redis at ${at} refused the login`, { hint: 'Check user and password.', cause });
  if (/OOM command/i.test(message)) return new LifeboatError('TargetFull', `Redis at ${at} is full`, { hint: 'Raise maxmemory.', cause });
  if (/LOADING|BUSY|TRYAGAIN/.test(message)) return new LifeboatError('SourceBusy', `Redis at ${at} is busy: ${message}`, { cause });
  if (/MOVED|CROSSSLOT/.test(message))
    return new LifeboatError('Unsupported', `Redis at ${at} is a cluster`, {
      hint: 'Give the node that holds the volume, and prefix={<db>}.',
      cause,
    });
  if (/certificate/i.test(message))
    return new LifeboatError('ConnectionRefused', `Redis at ${at} is not trusted: ${message}`, {
      hint: 'Give its host as the certificate has it, and the authority that signed it as a file in NODE_EXTRA_CA_CERTS.',
      cause,
    });
  if (/ECONNREFUSED|ENOTFOUND|ETIMEDOUT|connect/i.test(message))
    return new LifeboatError('ConnectionRefused', `cannot reach Redis at ${at}`, { hint: 'Check host, port and network.', cause });
  if (/closed|ECONNRESET|EPIPE/i.test(message)) return new LifeboatError('ConnectionLost', `Redis at ${at} was lost`, { cause });
  return new LifeboatError('SourceProblem', `Redis at ${at}: ${message}`, { cause });
};

export const bytesOf = (reply: Reply | undefined): Buffer | undefined => {
  if (Buffer.isBuffer(reply)) return reply;
  return typeof reply === 'string' || typeof reply === 'number' ? Buffer.from(String(reply)) : undefined;
};

export const listOfReplies = (reply: Reply | undefined): readonly Reply[] => (Array.isArray(reply) ? (reply as readonly Reply[]) : []);

export const numberOf = (reply: Reply | undefined): bigint => {
  if (typeof reply === 'number') return BigInt(reply);
  const text = bytesOf(reply)?.toString('latin1') ?? '';
  return /^-?\d+$/.test(text) ? BigInt(text) : 0n;
};

/** Field and value in turn, or two by two, as newer protocols have them. */
export const pairsOf = (reply: Reply | undefined): readonly (readonly [Buffer, Buffer])[] => {
  const items = listOfReplies(reply).flatMap((item) => (Array.isArray(item) ? (item as readonly Reply[]) : [item]));
  const pairs: (readonly [Buffer, Buffer])[] = [];
  for (let i = 0; i + 1 < items.length; i += 2) {
    const key = bytesOf(items[i]);
    const value = bytesOf(items[i + 1]);
    if (key !== undefined && value !== undefined) pairs.push([key, value]);
  }
  return pairs;
};
