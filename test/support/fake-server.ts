import { LifeboatError } from '../../src/errors.ts';

/** Rows by key, by class. */
export type Content = Map<string, Map<string, string>>;

/** What a restore has left in a database that it has not ended. */
export interface Marker {
  readonly restore: string;
  /** Segments whose rows are here: committed together with them. */
  readonly loaded: Set<string>;
}

export interface FakeDatabase {
  readonly name: string;
  content: Content;
  marker: Marker | undefined;
  /** What was once copied here as a whole, and from where; a clone of it has the same. */
  identity: string;
}

export interface Session {
  readonly id: string;
  open: boolean;
  close(): void;
}

interface Snapshot {
  readonly session: Session;
  readonly content: Content;
  readonly origin: string;
}

export interface FakeServerOptions {
  readonly name?: string;
  sleep(milliseconds: number): Promise<void>;
  /** Called at each point at which something may go wrong: may throw, or never return. */
  at?(point: string): Promise<void>;
  /** Called with each session, so that whoever runs functions can cut it when its function ends. */
  opened?(session: Session): void;
}

/**
 * A database server in memory, as strict as a real one where it matters to a backup: a session sees its database as it is, an
 * exported snapshot lives as long as the session that exported it, a commit is all or nothing.
 */
export interface FakeServer {
  readonly name: string;
  readonly databases: Map<string, FakeDatabase>;
  /** Refuses sessions, and has ended those that there were. */
  down: boolean;
  make(name: string, content?: Content): FakeDatabase;
  database(name: string): FakeDatabase;
  connect(): Promise<Session>;
  /** Fixes a new snapshot of a database, held by this session. */
  snapshot(session: Session, database: string): string;
  /** Exports again, under a new name, what a living snapshot shows. Undefined when it does not live. */
  exportAgain(session: Session, token: string): string | undefined;
  read(session: Session, token: string): Snapshot | undefined;
  /** What the instant showed that began with this token; for tests. */
  shown(origin: string): Content | undefined;
  /** Something that takes this many milliseconds in a session. */
  work(session: Session, milliseconds: number, point: string): Promise<void>;
  endSessions(): void;
}

export const openServer = (options: FakeServerOptions): FakeServer => {
  const name = options.name ?? 'one';
  const databases = new Map<string, FakeDatabase>();
  const sessions = new Set<Session>();
  const snapshots = new Map<string, Snapshot>();
  let made = 0;

  const lost = (): LifeboatError =>
    new LifeboatError('ConnectionLost', `server ${name} closed the session`, { hint: 'It may have restarted.' });
  const living = (session: Session): void => {
    if (!session.open) throw lost();
  };
  const keep = (session: Session, content: Content, origin?: string): string => {
    living(session);
    made += 1;
    const token = `S${made}`;
    snapshots.set(token, { session, content, origin: origin ?? token });
    return token;
  };

  const server: FakeServer = {
    name,
    databases,
    down: false,
    make(database, content = new Map()) {
      made += 1;
      const fresh: FakeDatabase = { name: database, content, marker: undefined, identity: `${name}#${made}` };
      databases.set(database, fresh);
      return fresh;
    },
    database(database) {
      const found = databases.get(database);
      if (found === undefined)
        throw new LifeboatError('NoSuchDatabase', `there is no database ${database} on server ${name}`, { hint: 'Is its name right?' });
      return found;
    },
    async connect() {
      await options.at?.('connect');
      if (server.down) throw new LifeboatError('ConnectionRefused', `server ${name} does not answer`, { hint: 'Is it running?' });
      made += 1;
      const session: Session = {
        id: `session ${made}`,
        open: true,
        close() {
          session.open = false;
          sessions.delete(session);
        },
      };
      sessions.add(session);
      options.opened?.(session);
      return session;
    },
    snapshot: (session, database) => keep(session, copyOf(server.database(database).content)),
    exportAgain(session, token) {
      const found = server.read(session, token);
      return found === undefined ? undefined : keep(session, found.content, found.origin);
    },
    read(session, token) {
      living(session);
      const found = snapshots.get(token);
      return found?.session.open === true ? found : undefined;
    },
    shown: (origin) => snapshots.get(origin)?.content,
    async work(session, milliseconds, point) {
      living(session);
      if (milliseconds > 0) await options.sleep(milliseconds);
      await options.at?.(point);
      living(session);
    },
    endSessions() {
      for (const session of [...sessions]) session.close();
    },
  };
  return server;
};

export const copyOf = (content: Content): Content => new Map([...content].map(([name, rows]) => [name, new Map(rows)]));

/** For comparisons: the same text for the same content. */
export const textOf = (content: Content): string =>
  [...content]
    .flatMap(([name, rows]) => [...rows].map(([key, value]) => `${name}\t${key}\t${value}\n`))
    .sort()
    .join('');

/** Small, and with all that lines and hashes can stumble over. */
export const exampleContent = (): Content =>
  new Map([
    ['people', new Map(Array.from({ length: 23 }, (_, n) => [`p${String(n).padStart(3, '0')}`, `Zoë ${n} "quoted"\t🛟\n`]))],
    ['orders', new Map(Array.from({ length: 9 }, (_, n) => [`o${n}`, JSON.stringify({ n, of: `p${n}` })]))],
    ['notes', new Map([['n1', '']])],
  ]);
