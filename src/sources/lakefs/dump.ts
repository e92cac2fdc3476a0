import { parseJson } from '../../json.ts';
import type { Services, Stage } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { dumpFiles } from './dump-objects.ts';
import { dumpRefsTask } from './dump-refs.ts';
import { dumpSettings } from './dump-settings.ts';
import { dumpUncommitted } from './dump-uncommitted.ts';
import { planDump } from './plan.ts';
import { openSession } from './session.ts';
import { DumpTaskSchema, idsOf } from './tasks.ts';

/** Everything that the dumped refs reach, copied into the pool; in any order, at the same time, again after a failure. */
export const dumpStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'dump',
  mode: 'independent',
  async *plan(context) {
    const { metadata, repository } = await openSession(address, services, context.budget.signal);
    const tasks = planDump(metadata, await idsOf(context), repository.default_branch, address.uncommitted === 'save');
    for await (const task of tasks) yield { task: parseJson(JSON.stringify(task)) };
  },
  async run(json, context, resume) {
    const task = DumpTaskSchema.parse(json);
    const session = await openSession(address, services, context.budget.signal);
    switch (task.kind) {
      case 'settings':
        return dumpSettings(session, context);
      case 'uncommitted':
        return dumpUncommitted(session, await idsOf(context), context, resume);
      case 'refs':
        return dumpRefsTask(session, await idsOf(context), context);
      case 'metadata':
        return dumpFiles(
          session,
          task.files.map((id) => ({ id, kind: 'metaRange' })),
          context,
          resume,
        );
      case 'objects':
        return dumpFiles(
          session,
          task.ranges.map(([id]) => ({ id, kind: 'range' })),
          context,
          resume,
        );
    }
  },
});
