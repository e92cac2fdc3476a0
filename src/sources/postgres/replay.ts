import { LifeboatError } from '../../errors.ts';
import { sqlStateOf } from './errors.ts';
import { literal } from './sql.ts';
import { classify, type Statement } from './statement.ts';
import { targetError } from './target-error.ts';
import type { TargetSession } from './target-session.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

/** What a target could not take and a restore goes on without, by kind. */
export interface Skipped {
  settings: number;
  /** Owners and grants whose role is not there, or not ours to use. */
  access: number;
  tablespaces: number;
}

export const nothingSkipped = (): Skipped => ({ settings: 0, access: 0, tablespaces: 0 });

/** A setting as this target takes it; undefined when it does not know it. */
export function settingFor(
  session: TargetSession,
  statement: Extract<Statement, { kind: 'setting' }>,
  skipped: Skipped,
): string | undefined {
  const { name, value, text } = statement;
  // An extension's own settings have a dot and are known once it is loaded.
  if (!session.settings.has(name) && !name.includes('.')) {
    skipped.settings++;
    return undefined;
  }
  if (name === 'standard_conforming_strings' && !/^'?(?:on|true|1|yes)'?$/i.test(value)) {
    throw new LifeboatError('Unsupported', 'the script turns standard_conforming_strings off', { hint: 'Run it with psql.' });
  }
  if (name === 'client_encoding' && !/^'?utf-?8'?$/i.test(value)) {
    throw new LifeboatError('Unsupported', `the script is in encoding ${value}`, {
      hint: 'Make it again with pg_dump --encoding=UTF8, or run it with psql.',
    });
  }
  if (name === 'default_tablespace') {
    const tablespace = value.replace(/^['"](.*)['"]$/, '$1');
    if (tablespace === '' || session.tablespaces.has(tablespace)) return text;
    skipped.tablespaces++;
    return `SET default_tablespace = ${literal('')}`;
  }
  return text;
}

/** Runs one statement of a script inside the open transaction; owners and grants only as far as they apply here. */
export async function replay(session: TargetSession, text: string, skipped: Skipped): Promise<void> {
  const statement = classify(text);
  const doing = naming(text);
  if (statement.kind === 'setting') {
    const setting = settingFor(session, statement, skipped);
    if (setting !== undefined) await session.write(setting, doing);
    return;
  }
  if (statement.kind !== 'access') return session.write(text, doing);
  if (!rolesAreThere(session, statement.roles)) skipped.access++;
  else if (!(await attempted(session, text, doing))) skipped.access++;
}

export const rolesAreThere = (session: TargetSession, roles: readonly string[]): boolean => roles.every((role) => session.roles.has(role));

export const isRefusedAccess = (error: unknown): boolean => sqlStateOf(error) === INSUFFICIENT_PRIVILEGE;

/** False when this user may not do it; the transaction goes on. */
async function attempted(session: TargetSession, text: string, doing: string): Promise<boolean> {
  await session.write('SAVEPOINT access', doing);
  try {
    await session.client.query(text);
    await session.write('RELEASE SAVEPOINT access', doing);
    return true;
  } catch (error) {
    if (!isRefusedAccess(error)) throw targetError(error, session.address, doing);
    await session.write('ROLLBACK TO SAVEPOINT access', doing);
    return false;
  }
}

const NAMING_MAX = 80;

/** The beginning of a statement, on one line, for messages. */
export const naming = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > NAMING_MAX ? `${line.slice(0, NAMING_MAX)}…` : line;
};
