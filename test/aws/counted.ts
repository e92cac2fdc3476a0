import type { Store } from '../../src/stores/store.ts';
import { openSystem, outputOf } from '../support/system.ts';

/** What a backup of the simulated system really asks of AWS. */
export interface Counted {
  readonly transitions: number;
  readonly invocations: number;
  readonly parts: number;
  readonly tasks: number;
  readonly segments: number;
  readonly rounds: number;
  /** S3's classes of requests, over both stores. */
  readonly writes: number;
  readonly reads: number;
  /** From start to end. */
  readonly seconds: number;
}

export const countBackup = async (rows: number, holds: boolean, segmentMs = 0): Promise<Counted> => {
  let [transitions, invocations, parts, rounds, writes, reads, segments] = [0, 0, 0, 0, 0, 0, 0];
  const tasks = new Set<string>();
  const counting = (store: Store): Store =>
    new Proxy(store, {
      get: (target, name, receiver) => {
        const value: unknown = Reflect.get(target, name, receiver);
        if (typeof value !== 'function' || name === 'delete') return value;
        return (...args: unknown[]) => {
          if (name === 'create' && String(args[0]).includes('/segments/')) segments += 1;
          // PUT and LIST have one price, GET and HEAD another.
          if (name === 'create' || name === 'replace' || name === 'list') writes += 1;
          else reads += 1;
          return Reflect.apply(value, target, args);
        };
      },
    });
  const system = openSystem({
    behaviour: { holds, rowsPerTask: 3, rowsPerSegment: 2, segmentMs },
    store: counting,
    control: counting,
    onEvent: ({ type }) => {
      if (type.endsWith('StateEntered')) transitions += 1;
    },
    around: (step, payload, call) => {
      invocations += 1;
      if (step === 'hold') rounds += 1;
      if (step === 'dump-task') {
        parts += 1;
        tasks.add(JSON.stringify(payload).replace(/"part".*/, ''));
      }
      return call();
    },
  });
  system.server.database('sea').content = new Map([
    ['things', new Map(Array.from({ length: rows }, (_, n) => [`key ${n}`, `value ${n}`]))],
  ]);
  const start = system.clock.now();
  outputOf(await system.run('backup'));
  const seconds = (system.clock.now() - start) / 1000;
  return { seconds, transitions, invocations, parts, tasks: tasks.size, segments, rounds, writes, reads };
};
