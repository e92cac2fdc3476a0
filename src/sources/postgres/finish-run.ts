import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import type { FinishStatement } from './finish-statements.ts';
import { doneItems, isClaimed, isRunning, onceSql } from './marker.ts';
import { isRefusedAccess, naming, nothingSkipped, rolesAreThere, type Skipped, settingFor } from './replay.ts';
import { targetError } from './target-error.ts';
import type { TargetSession } from './target-session.ts';

/** While an earlier invocation's statement runs. */
const POLL_MS = 500;
/** Until another function looks whether a statement that outlived this one has ended. */
const LOOK_AGAIN_SECONDS = 10;

const CursorSchema = z.strictObject({ at: z.int().nonnegative() });

/**
 * Runs statements in order, each once: a statement and its item in the marker are one transaction. One that outlives the budget is
 * left to the server, which ends it without us, and is found again by the next invocation.
 */
export async function runStatements(
  session: TargetSession,
  statements: readonly FinishStatement[],
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> {
  const from = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).at;
  const skipped = nothingSkipped();
  const applied = new Map<string, string>();
  const part = (at: number, afterSeconds?: number): Part => {
    const next =
      at < statements.length
        ? { cursor: JSON.stringify({ at }) as Cursor, ...(afterSeconds === undefined ? {} : { afterSeconds }) }
        : undefined;
    return { segments: [], digests: [], facts: { skipped: { ...skipped } }, ...(next === undefined ? {} : { next }) };
  };
  const stage = statements[0]?.stage;
  if (stage === undefined) return part(0);
  const done = await doneItems(session, `${stage}/`);
  for (let at = from; at < statements.length; at++) {
    const statement = statements[at];
    if (statement === undefined || done.has(String(statement.n))) continue;
    if (at > from && context.budget.remaining() <= 0) return part(at);
    if (!applies(session, statement, skipped)) continue;
    await applySettings(session, statement, applied, skipped);
    if ((await runOnce(session, statement, context, skipped)) === 'running') return part(at, LOOK_AGAIN_SECONDS);
  }
  return part(statements.length);
}

function applies(session: TargetSession, { statement }: FinishStatement, skipped: Skipped): boolean {
  if (statement.kind !== 'access') return true;
  // What is set for a session is lost with it, and another invocation has another one.
  if (!/^(?:SET|RESET)\s/i.test(statement.text) && rolesAreThere(session, statement.roles)) return true;
  skipped.access++;
  return false;
}

async function applySettings(
  session: TargetSession,
  { settings }: FinishStatement,
  applied: Map<string, string>,
  skipped: Skipped,
): Promise<void> {
  for (const [name, setting] of settings) {
    if (applied.get(name) === setting.text) continue;
    applied.set(name, setting.text);
    const sql = settingFor(session, setting, skipped);
    if (sql !== undefined) await session.write(sql, naming(setting.text));
  }
}

async function runOnce(
  session: TargetSession,
  { n, stage, statement }: FinishStatement,
  context: TaskContext,
  skipped: Skipped,
): Promise<'ended' | 'running'> {
  const item = `${stage}/${n}`;
  while (await isRunning(session, item)) {
    if (context.budget.remaining() <= POLL_MS) return 'running';
    await sleep(POLL_MS, undefined, { signal: context.budget.signal });
  }
  const sent = session.client.query(onceSql(item, statement.text)).then(
    () => 'ended' as const,
    (error: unknown) => {
      if (isClaimed(error)) return 'ended' as const;
      if (statement.kind !== 'access' || !isRefusedAccess(error)) throw targetError(error, session.address, naming(statement.text));
      skipped.access++;
      return 'ended' as const;
    },
  );
  const timer = new AbortController();
  const overdue = sleep(Math.max(0, context.budget.remaining()), 'running' as const, { signal: timer.signal });
  try {
    const outcome = await Promise.race([sent, overdue]);
    if (outcome === 'ended') context.progress({ rows: 0, bytes: 0, what: naming(statement.text) });
    // The connection goes, the statement stays; its own end is of no more interest here.
    else session.destroy();
    return outcome;
  } finally {
    timer.abort();
    overdue.catch(() => {});
    sent.catch(() => {});
  }
}
