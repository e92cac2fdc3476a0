import { z } from 'zod';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Budget, Part, Services, Stage } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { groupIndexes } from './finish-indexes.ts';
import { runStatements } from './finish-run.ts';
import { type FinishStage, type FinishStatement, finishStatements } from './finish-statements.ts';
import { requireMarker } from './marker.ts';
import { withTarget } from './target-session.ts';

/** Statements by their place; the text is read from the artifact again, so that a task stays small. */
const FinishTaskSchema = z.strictObject({ statements: z.array(z.int().nonnegative()).min(1) });

type Groups = readonly (readonly number[])[];
type Grouping = (statements: readonly FinishStatement[], budget: Budget) => Promise<Groups>;

const inOrder: Grouping = async (statements) => [statements.map((statement) => statement.n)];

/** What follows the rows: indexes in parallel, the rest in the order that the artifact has. */
export const finishStages = (address: PostgresAddress, services: Services): Stage[] => {
  const stage = (name: FinishStage, group: Grouping): Stage => ({
    name,
    mode: 'independent',
    async *plan(context) {
      const own = (await finishStatements(context)).filter((statement) => statement.stage === name);
      if (own.length === 0) return;
      for (const statements of await group(own, context.budget)) yield { task: { statements } };
    },
    async run(task, context, resume): Promise<Part> {
      const wanted = new Set(FinishTaskSchema.parse(task).statements);
      const statements = (await finishStatements(context)).filter((statement) => wanted.has(statement.n));
      return withTarget(address, services, context.budget, async (session) => {
        await requireMarker(session, restoreInput(context).restore);
        return runStatements(session, statements, context, resume);
      });
    },
  });
  return [
    stage('finish-sequences', inOrder),
    stage('finish-indexes', (statements, budget) => withTarget(address, services, budget, (session) => groupIndexes(session, statements))),
    stage('finish-constraints', inOrder),
    stage('finish-views', inOrder),
  ];
};
