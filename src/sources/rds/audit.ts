import { z } from 'zod';
import { CheckSchema } from '../../backup/schemas.ts';
import type { Part, Stage, StageContext } from '../contract.ts';
import type { Means } from './means.ts';
import { referenceIn } from './reference.ts';
import { isUnmeasured, openRestored, restoreInput } from './restored.ts';

const FactsSchema = z.object({ checks: z.array(CheckSchema) });

/** The engine's own audit of the restored instance: it reads every row, and so everything that RDS brings from S3. */
export const auditStage = (means: Means): Stage => {
  const engineAudit = async (context: StageContext): Promise<Stage> => {
    const { engine, login } = await openRestored(means, referenceIn(restoreInput(context).manifest));
    return engine.audit(login, means.services);
  };
  return {
    name: 'audit',
    mode: 'independent',
    async *plan(context, resume) {
      yield* (await engineAudit(context)).plan(context, resume);
    },
    async run(task, context, resume) {
      const part = await (await engineAudit(context)).run(task, context, resume);
      const first = context.task === 0 && resume === undefined;
      return isUnmeasured(restoreInput(context).manifest) ? withoutExpectation(part, first) : part;
    },
  };
};

/** The rows were read, and nothing says what they should have been. Said once. */
const withoutExpectation = (part: Part, first: boolean): Part => {
  const facts = FactsSchema.safeParse(part.facts);
  return {
    ...part,
    digests: [],
    facts: {
      checks: facts.success ? z.array(z.record(z.string(), z.json())).parse(facts.data.checks) : [],
      ...(first ? { notMeasured: [UNMEASURED] } : {}),
    },
  };
};

const UNMEASURED = {
  what: 'whether the restored rows are those of the source',
  why: 'a snapshot is not read when it is made, so there are no digests to compare with; "mode": "clone-dump" makes them',
};
