import { restoreInput } from '../../backup/restore-input.ts';
import type { StageContext } from '../contract.ts';
import { segmentsOf, statementsOf } from './restore-input.ts';
import { classify, type Statement } from './statement.ts';

export type FinishStage = 'finish-sequences' | 'finish-indexes' | 'finish-constraints' | 'finish-views';

/** One statement of what follows the rows. */
export interface FinishStatement {
  /** Its place among all of them; the marker and the tasks name it by this. */
  readonly n: number;
  readonly stage: FinishStage;
  readonly statement: Exclude<Statement, { kind: 'setting' | 'transaction' }>;
  /** The settings that the script has made before it, by name; the last one of each counts. */
  readonly settings: ReadonlyMap<string, Extract<Statement, { kind: 'setting' }>>;
}

/** Relations that are made after the rows (a view that needs a key): their indexes keep their place behind them. */
const MADE_LATE = /^CREATE\s+(?:MATERIALIZED\s+VIEW|TABLE|UNLOGGED\s+TABLE)\s+((?:"(?:[^"]|"")+"|[\w$\u0080-\uffff.])+)/iu;

/** What follows the rows, in the order of the artifact. */
export async function finishStatements(context: StageContext): Promise<FinishStatement[]> {
  const { manifest } = restoreInput(context);
  const found: FinishStatement[] = [];
  const late = new Set<string>();
  for (const kind of ['sequences', 'post-data', 'trailer'] as const) {
    let settings: FinishStatement['settings'] = new Map();
    for await (const text of statementsOf(context.read, segmentsOf(manifest, kind))) {
      const statement = classify(text);
      if (statement.kind === 'setting') {
        settings = new Map([...settings, [statement.name, statement]]);
        continue;
      }
      // The trailer's assertion of the row counts is for psql; here the audit counts.
      if (statement.kind === 'transaction' || (kind === 'trailer' && statement.kind === 'other')) continue;
      const made = MADE_LATE.exec(text)?.[1];
      if (made !== undefined) late.add(made);
      found.push({ n: found.length, stage: stageOf(statement, late), statement, settings });
    }
  }
  return found;
}

function stageOf(statement: FinishStatement['statement'], late: ReadonlySet<string>): FinishStage {
  if (statement.kind === 'setval') return 'finish-sequences';
  if (statement.kind === 'refresh') return 'finish-views';
  return statement.kind === 'index' && !late.has(statement.table) ? 'finish-indexes' : 'finish-constraints';
}
