import { z } from 'zod';
import { type ErrorCode, LifeboatError } from '../../errors.ts';
import { endpoint, type PostgresAddress } from './address.ts';

export interface Failure {
  readonly address: PostgresAddress;
  /** What was being done, as it goes into the message: `reading table public.tag_usage`. */
  readonly doing?: string | undefined;
  /** The code for what has no meaning of its own. */
  readonly otherwise?: 'SourceProblem' | 'TargetProblem' | undefined;
}

/** What the server or the socket says; everything else of an error is left behind (details may hold rows). */
const Raised = z.object({ code: z.string().optional(), message: z.string() });

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** SQLSTATEs whose meaning does not depend on what was being done. */
const STATES: Readonly<Record<string, Meaning>> = {
  '28P01': { code: 'LoginFailed', hint: 'Check the user and the password; the source entry names where the password comes from.' },
  '28000': { code: 'LoginFailed', hint: 'Check the user, and pg_hba.conf for this client, user and database.' },
  '3D000': { code: 'NoSuchDatabase', hint: 'Check the database name in the address.' },
  '42501': { code: 'PermissionDenied', hint: 'GRANT pg_read_all_data (PostgreSQL 14 and later) or SELECT on the object to this user.' },
  '57P01': { code: 'ConnectionLost', hint: 'The server was stopped or ended the connection.' },
  '57P02': { code: 'ConnectionLost', hint: 'The server crashed and restarts.' },
  '57P03': { code: 'ConnectionLost', hint: 'The server is starting or shutting down.' },
  '25P03': {
    code: 'ConnectionLost',
    hint: 'The server ended an idle transaction; something overrides idle_in_transaction_session_timeout.',
  },
  '25P04': { code: 'ConnectionLost', hint: 'The server ended a long transaction; something overrides transaction_timeout.' },
  '53300': {
    code: 'SourceBusy',
    hint: 'The server has no free connection; raise max_connections or lower the concurrency of this source.',
  },
  '55P03': { code: 'SourceBusy', hint: 'Another session holds or waits for a lock (a migration, VACUUM FULL); try again when it is done.' },
  '40P01': { code: 'SourceBusy', hint: 'Two sessions waited for each other; try again.' },
  '40001': { code: 'SourceBusy', hint: 'On a standby, set hot_standby_feedback = on, or read from the primary.' },
  '57014': { code: 'SourceBusy', hint: 'The statement was cancelled, by an administrator or by a timeout of the server.' },
  '42P01': { code: 'SourceChanged', hint: 'The table was dropped or renamed while the backup ran; start a new one.' },
  '42703': { code: 'SourceChanged', hint: 'A column was dropped or renamed while the backup ran; start a new one.' },
  '3F000': { code: 'SourceChanged', hint: 'The schema was dropped or renamed while the backup ran; start a new one.' },
  '53100': { code: 'TargetFull', hint: 'Free or add disk space on the server.' },
};

const ADDRESS_HINT = 'Check that the server runs, and the host and port of the address.';

/** Errors of the socket, by errno name. */
const ERRNOS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: { code: 'ConnectionRefused', hint: ADDRESS_HINT },
  ENOTFOUND: { code: 'ConnectionRefused', hint: 'The host name is not known; check the address.' },
  EAI_AGAIN: { code: 'ConnectionRefused', hint: 'The host name could not be looked up; check the address and the resolver.' },
  EHOSTUNREACH: { code: 'ConnectionRefused', hint: 'No route leads to the host; check the network and its security groups.' },
  ENETUNREACH: { code: 'ConnectionRefused', hint: 'No route leads to the host; check the network and its security groups.' },
  ETIMEDOUT: { code: 'ConnectionRefused', hint: 'The host did not answer in time; check the network and its security groups.' },
  ENOENT: { code: 'ConnectionRefused', hint: 'The socket is not there; check the folder and the port.' },
  EACCES: { code: 'ConnectionRefused', hint: 'This user may not open the socket.' },
  ECONNRESET: { code: 'ConnectionLost', hint: 'The server or the network closed the connection.' },
  EPIPE: { code: 'ConnectionLost', hint: 'The server or the network closed the connection.' },
};

const NO_TLS = 'The server has no TLS: turn it on there, or say sslmode=disable if the network may see everything.';

const TLS = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;
const LOST = /connection terminated|connection ended|not queryable|socket (has been ended|disconnected|hang up)|client was closed/i;

/** The LifeboatError for what `pg` or the server raised; names the endpoint or the thing, never a password or a row. */
export const mapError = (error: unknown, failure: Failure): LifeboatError => {
  if (error instanceof LifeboatError) return error;
  const raised = Raised.safeParse(firstOf(error));
  const { code, message } = raised.success ? raised.data : { code: undefined, message: String(error) };
  const meaning = meaningOf(code, message) ?? { code: failure.otherwise ?? 'SourceProblem', hint: '' };
  return new LifeboatError(meaning.code, sentence(meaning.code, message, failure), { hint: meaning.hint, cause: error });
};

/** True for what SET TRANSACTION SNAPSHOT answers when the exporting transaction is gone (PostgreSQL 13–17, and 18). */
export const isLostSnapshot = (error: unknown): boolean => ['22023', '42704'].includes(sqlStateOf(error) ?? '');

export const sqlStateOf = (error: unknown): string | undefined => {
  const cause = error instanceof LifeboatError ? error.cause : error;
  const raised = Raised.safeParse(cause);
  return raised.success ? raised.data.code : undefined;
};

/** Node reports several refused addresses of one name as one AggregateError. */
const firstOf = (error: unknown): unknown => (error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error);

const meaningOf = (code: string | undefined, message: string): Meaning | undefined => {
  if (code !== undefined) {
    const known = STATES[code] ?? ERRNOS[code];
    if (known !== undefined) return known;
    if (code.startsWith('08')) return { code: 'ConnectionLost', hint: 'The server or the network closed the connection.' };
    if (TLS.test(code)) {
      return { code: 'ConnectionRefused', hint: 'Name the authority in sslrootcert (rds: those of Amazon), or check the host name.' };
    }
  }
  if (/SSL connections?$/.test(message)) return { code: 'ConnectionRefused', hint: NO_TLS };
  if (/SCRAM|password must be a string|authenticationType/i.test(message)) {
    return { code: 'LoginFailed', hint: 'The server asks for a password; set one by reference, PGPASSWORD or ~/.pgpass.' };
  }
  if (/timeout expired|timeout exceeded/i.test(message)) return ERRNOS['ETIMEDOUT'];
  if (LOST.test(message)) return { code: 'ConnectionLost', hint: 'The server or the network closed the connection.' };
  return undefined;
};

const sentence = (code: ErrorCode, message: string, failure: Failure): string => {
  const said = message.replaceAll(/\s+/g, ' ').trim();
  const where = endpoint(failure.address);
  if (code === 'ConnectionRefused') return `cannot connect to ${where}: ${said}`;
  if (code === 'ConnectionLost')
    return `lost the connection to ${where}${failure.doing === undefined ? '' : ` while ${failure.doing}`}: ${said}`;
  if (code === 'LoginFailed') return `${where} refused user "${failure.address.user}": ${said}`;
  if (code === 'NoSuchDatabase') return `no database "${failure.address.database}" on ${where}`;
  return failure.doing === undefined ? said : `${failure.doing}: ${said}`;
};
