import type { Receipt } from '../../backup/types.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import type { Later } from './shapes.ts';

/** A task that has nothing to do yet: the state machine waits, no function does. The cursor counts the looks. */
export const waiting = ({ what, afterSeconds }: Later, context: TaskContext, resume: Cursor | undefined): Part => {
  context.progress({ rows: 0, bytes: 0, what });
  const looks = resume === undefined ? 1 : Number(resume) + 1;
  return { segments: [], digests: [], facts: { waiting: what }, next: { cursor: String(looks) as Cursor, afterSeconds } };
};

export const isWaiting = ({ facts }: Pick<Receipt, 'facts'>): boolean => typeof facts === 'object' && facts !== null && 'waiting' in facts;
