import { z } from 'zod';
import { type ErrorCode, LifeboatError } from '../../errors.ts';
import { endpoint, type MysqlAddress } from './address.ts';

export interface Failure {
  readonly address: MysqlAddress;
  /** What was going on: `reading table tag_usage`. */
  readonly doing?: string | undefined;
  /** A target's own errors are not those of a source. */
  readonly target?: boolean | undefined;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

const Raised = z.object({ message: z.string(), code: z.string().optional(), errno: z.number().optional() });

const CHANGED: Meaning = {
  code: 'SourceChanged',
  hint: 'Its definition changed while the backup ran (a migration, ALTER, TRUNCATE); start a new backup when that is over.',
};
const BUSY: Meaning = { code: 'SourceBusy', hint: 'Another session holds a lock or the server is out of connections; try again.' };
const DENIED: Meaning = {
  code: 'PermissionDenied',
  hint: 'A backup needs SELECT, LOCK TABLES, SHOW VIEW, TRIGGER and EVENT on the database, and to see its routines.',
};
const LOST: Meaning = { code: 'ConnectionLost', hint: 'The server or the network closed the connection.' };
const REFUSED_LOGIN: Meaning = { code: 'LoginFailed', hint: 'Check the user, its password, and from where it may log in.' };
const FULL: Meaning = { code: 'TargetFull', hint: 'Free or add disk space on the server.' };

/** By error number of the server. */
const NUMBERS: Readonly<Record<number, Meaning>> = {
  1045: REFUSED_LOGIN,
  1130: REFUSED_LOGIN,
  1698: REFUSED_LOGIN,
  3159: { code: 'LoginFailed', hint: 'The server takes this user over TLS only: set sslmode.' },
  1049: { code: 'NoSuchDatabase', hint: 'Check the name of the database.' },
  1044: DENIED,
  1142: DENIED,
  1143: DENIED,
  1227: DENIED,
  1370: DENIED,
  1419: DENIED,
  1040: BUSY,
  1203: BUSY,
  1205: BUSY,
  1213: BUSY,
  1226: BUSY,
  1317: BUSY,
  1969: BUSY,
  3024: BUSY,
  1054: CHANGED,
  1146: CHANGED,
  1412: CHANGED,
  1021: FULL,
  1114: FULL,
  3675: FULL,
  1053: LOST,
  1927: LOST,
  4031: LOST,
};

const ADDRESS_HINT = 'Check that the server runs, and the host and port of the address.';

/** By name: of the socket, and of the driver. */
const NAMES: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: { code: 'ConnectionRefused', hint: ADDRESS_HINT },
  ENOTFOUND: { code: 'ConnectionRefused', hint: 'The host name is not known; check the address.' },
  EAI_AGAIN: { code: 'ConnectionRefused', hint: 'The host name could not be looked up; check the address and the resolver.' },
  EHOSTUNREACH: { code: 'ConnectionRefused', hint: 'No route leads to the host; check the network and its security groups.' },
  ENETUNREACH: { code: 'ConnectionRefused', hint: 'No route leads to the host; check the network and its security groups.' },
  ETIMEDOUT: { code: 'ConnectionRefused', hint: 'The host did not answer in time; check the network and its security groups.' },
  ENOENT: { code: 'ConnectionRefused', hint: 'The socket is not there; check its path.' },
  EACCES: { code: 'ConnectionRefused', hint: 'This user may not open the socket.' },
  HANDSHAKE_NO_SSL_SUPPORT: {
    code: 'ConnectionRefused',
    hint: 'The server has no TLS: turn it on there, or say sslmode=disable if the network may see everything.',
  },
  HANDSHAKE_SSL_ERROR: {
    code: 'ConnectionRefused',
    hint: 'Name the authority in sslrootcert (rds: those of Amazon), or check the host name.',
  },
  PROTOCOL_CONNECTION_LOST: LOST,
  ECONNRESET: LOST,
  EPIPE: LOST,
};

const GONE = /closed state|connection.*(ended|closed|destroyed)|Cannot enqueue|Premature close/i;

/** The LifeboatError for what the driver or the server raised; names the endpoint or the thing, never a password or a row. */
export const mapError = (error: unknown, failure: Failure): LifeboatError => {
  if (error instanceof LifeboatError) return error;
  const raised = Raised.safeParse(error instanceof AggregateError ? error.errors[0] : error);
  const { message, code, errno } = raised.success ? raised.data : { message: String(error), code: undefined, errno: undefined };
  const meaning = asTarget(meaningOf(message, code, errno), failure) ?? {
    code: failure.target ? 'TargetProblem' : 'SourceProblem',
    hint: '',
  };
  return new LifeboatError(meaning.code, sentence(meaning.code, message, failure), { hint: meaning.hint, cause: error });
};

/** The server's error number, through a LifeboatError too. */
export const errnoOf = (error: unknown): number | undefined => {
  const raised = Raised.safeParse(error instanceof LifeboatError ? error.cause : error);
  return raised.success ? raised.data.errno : undefined;
};

const meaningOf = (message: string, code: string | undefined, errno: number | undefined): Meaning | undefined => {
  if (errno !== undefined && NUMBERS[errno] !== undefined) return NUMBERS[errno];
  if (code !== undefined && NAMES[code] !== undefined) return NAMES[code];
  return GONE.test(message) ? LOST : undefined;
};

const asTarget = (meaning: Meaning | undefined, { target }: Failure): Meaning | undefined => {
  if (target !== true || meaning === undefined) return meaning;
  if (meaning === CHANGED) return { code: 'TargetProblem', hint: 'Something else changed the target meanwhile.' };
  return meaning === DENIED
    ? { ...DENIED, hint: 'A restore needs ALL PRIVILEGES on its database; a drill needs them on `lifeboat\\_drill\\_%`.' }
    : meaning;
};

const sentence = (code: ErrorCode, message: string, { address, doing }: Failure): string => {
  const said = shortened(message);
  const where = endpoint(address);
  if (code === 'ConnectionRefused') return `cannot connect to ${where}: ${said}`;
  if (code === 'ConnectionLost') return `lost the connection to ${where}${doing === undefined ? '' : ` while ${doing}`}: ${said}`;
  if (code === 'LoginFailed') return `${where} refused user "${address.user}": ${said}`;
  if (code === 'NoSuchDatabase') return `no database "${address.database}" on ${where}`;
  return doing === undefined ? said : `${doing}: ${said}`;
};

/** Of a server's message; some quote the statement that they are about, with its values. */
const MESSAGE_MAX = 300;

const shortened = (message: string): string => {
  const line = message
    .replaceAll(/\s+/g, ' ')
    .replace(/ near '.*$/, ' near …')
    .trim();
  return line.length > MESSAGE_MAX ? `${line.slice(0, MESSAGE_MAX)}…` : line;
};
