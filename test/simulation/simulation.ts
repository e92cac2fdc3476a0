import { z } from 'zod';
import { failureOfCaught } from '../../src/backup/failures.ts';
import { backupsPrefix } from '../../src/backup/layout.ts';
import { readAll } from '../../src/backup/objects.ts';
import type { Json } from '../../src/backup/types.ts';
import { randomFrom } from '../../src/drill/random.ts';
import type { MachineName } from '../../src/environment/names.ts';
import { isErrorCode, LifeboatError } from '../../src/errors.ts';
import { StatesError } from '../../src/local/asl/errors.ts';
import type { Ended } from '../../src/machines/ended.ts';
import { artifactOf, leaseHolder, listed, mustVerify } from '../support/checks.ts';
import { textOf } from '../support/fake-server.ts';
import { type Fate, type Moment, openSystem, outputOf, SOURCE, type System } from '../support/system.ts';
import { type Watch, watchStores } from './invariants.ts';

/** Everything that one seed decides. */
interface Storm {
  /** Chance of each at each moment of a function. */
  readonly kill: number;
  readonly unavailable: number;
  readonly refused: number;
  /** Chance of each at each invocation. */
  readonly doubled: number;
  readonly late: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What the fake does wrong for a while, and how a run is disturbed from outside. */
const ACTIONS = [
  'backup',
  'backup',
  'scheduled',
  'drill',
  'drill',
  'restore',
  'write to the source',
  'stop an execution',
  'crash an execution',
  'restart the server',
  'skew the clocks',
  'lose rows',
  'lie',
  'damage a segment',
  'janitor',
  'wait',
] as const;

export interface Outcome {
  readonly executions: readonly { readonly machine: MachineName; readonly ended: Ended }[];
}

/** Runs one seed to its end; fails, naming what was broken, when an invariant does not hold. */
export const simulate = async (seed: number, tell: (line: string) => void = () => {}): Promise<Outcome> => {
  const random = randomFrom(seed);
  const chance = (probability: number): boolean => random() < probability;
  const among = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random() * items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  };
  const storm: Storm = {
    kill: among([0, 0.0005, 0.002]),
    unavailable: among([0, 0.001, 0.005]),
    refused: among([0, 0, 0.0005]),
    doubled: among([0, 0.02, 0.1]),
    late: among([0, 0.02, 0.1]),
  };
  const last = among([1, 2, 3]);
  const happened = { push: tell };
  tell(`storm ${JSON.stringify(storm)}`);
  const calls = new Set<Promise<unknown>>();
  let calm = false;
  let watch: Watch | undefined;

  const fate = ({ invocation }: Moment): Fate => {
    if (calm) return 'go on';
    // A holder that waits has a thousand moments.
    if (chance(invocation?.step === 'hold' ? storm.kill / 10 : storm.kill)) return 'kill';
    if (chance(storm.unavailable)) return new LifeboatError('StoreUnavailable', 'a fault of the simulation');
    return chance(storm.refused) ? new LifeboatError('StoreDenied', 'a fault of the simulation') : 'go on';
  };
  const tracked = (call: () => Promise<Json>): Promise<Json> => {
    const running = call();
    calls.add(running.catch(() => {}));
    return running;
  };
  const around = async (step: string, _payload: Json, call: () => Promise<Json>): Promise<Json> => {
    if (!calm && chance(storm.doubled)) {
      happened.push(`${step} doubled`);
      const attempts = [tracked(call), tracked(call)];
      // Nobody knows which of them is heard.
      return among(attempts);
    }
    if (!calm && chance(storm.late)) {
      // The invocation goes on; its answer is lost on the way.
      happened.push(`the answer of ${step} lost`);
      tracked(call).catch(() => {});
      await system.clock.sleep(among([1, 1_000, 30_000]));
      throw new StatesError('Lambda.SdkClientException', 'the connection was reset');
    }
    return tracked(call);
  };
  const segmentMs = among([0, 500, 20_000, 4 * MINUTE]);
  // Every piece fits into a function, with room for its margin; a whole task need not.
  const short = chance(0.4) ? 20_000 + 3 * segmentMs : undefined;
  const system: System = openSystem({
    behaviour: {
      holds: chance(0.7),
      plansInParts: chance(0.3),
      rowsPerTask: among([3, 7, 100]),
      rowsPerSegment: among([2, 5]),
      segmentMs,
    },
    source: { retention: { last }, concurrency: among([1, 2, 5]) },
    random,
    fate: (moment) => {
      const next = fate(moment);
      if (next !== 'go on')
        happened.push(`${moment.invocation?.step}: ${next === 'kill' ? 'killed' : next.code} at ${moment.what} ${moment.key}`);
      return next;
    },
    around,
    timeoutOf: () => short,
    store: (bare) => {
      watch = watchStores(bare, () => system, last);
      return watch.store;
    },
    control: (bare) => watch?.control(bare) ?? bare,
  });

  const twins: Promise<readonly Ended[]>[] = [];
  const executions: { readonly machine: MachineName; readonly ended: Ended }[] = [];
  const running = new Map<AbortController, Promise<Ended>>();
  const crashed = new Set<AbortController>();
  const start = (machine: MachineName, input: Readonly<Record<string, Json>> = {}): Promise<Ended> => {
    const controller = new AbortController();
    const run = system.run(machine, input, { signal: controller.signal, janitor: false }).then(async (ended) => {
      executions.push({ machine, ended });
      if (ended.outcome.status !== 'SUCCEEDED' && !crashed.has(controller))
        await tracked(() => system.invoke('janitor', { source: SOURCE })).catch(() => {});
      happened.push(
        `${machine} ${ended.outcome.status} ${ended.outcome.status === 'SUCCEEDED' ? '' : `${ended.outcome.error} ${ended.outcome.cause}`}`,
      );
      running.delete(controller);
      return ended;
    });
    running.set(controller, run);
    return run;
  };
  const write = (): void => {
    const { content } = system.server.database('sea');
    const name = among([...content.keys(), 'new class']);
    const rows = content.get(name) ?? new Map<string, string>();
    content.set(name, rows);
    rows.set(`k${Math.floor(random() * 30)}`, `v${random()}`);
    const [first] = rows.keys();
    if (first !== undefined && rows.size > 1 && chance(0.5)) rows.delete(first);
  };
  const act = async (action: (typeof ACTIONS)[number]): Promise<void> => {
    happened.push(`--- ${action} at ${new Date(system.clock.now()).toISOString()}`);
    switch (action) {
      case 'backup':
        return void start('backup');
      case 'scheduled': {
        const scheduledTime = new Date(system.clock.now() - among([0, 1_000, HOUR, 24 * HOUR])).toISOString();
        const input = { scheduledTime, schedule: 'arn:aws:scheduler:schedule/sea' };
        const first = start('backup', input);
        await system.clock.sleep(among([0, 1, 3_000, 10 * MINUTE]));
        return void twins.push(Promise.all([first, start('backup', input)]));
      }
      case 'drill':
        return void start('drill', {
          seed: Math.floor(random() * 1000),
          selection: among(['latest', 'oldest', 'random', 'never-drilled']),
        });
      case 'restore':
        return void start('restore', { target: 'spare', overwrite: true });
      case 'write to the source':
        return write();
      case 'stop an execution': {
        const [controller] = running.size === 0 ? [] : [among([...running.keys()])];
        return controller?.abort(new LifeboatError('ExecutionAborted', 'stopped by the simulation'));
      }
      case 'crash an execution':
        // Whatever ran on that machine is gone, and nobody tidies up after it.
        for (const controller of running.keys()) {
          crashed.add(controller);
          controller.abort(new LifeboatError('ExecutionAborted', 'crashed by the simulation'));
        }
        return;
      case 'restart the server':
        return system.server.endSessions();
      case 'skew the clocks':
        system.skew = among([0, -2 * HOUR, 5_000, 3 * HOUR, 13 * HOUR]);
        return;
      case 'lose rows':
        system.behaviour.losesRows = chance(0.5);
        system.behaviour.addsRows = chance(0.3);
        return;
      case 'lie':
        system.behaviour.auditLies = chance(0.5);
        system.behaviour.auditIsBlind = chance(0.3);
        system.behaviour.tampersNothing = chance(0.3);
        return;
      case 'damage a segment':
        return watch?.damage(random);
      case 'janitor':
        return void tracked(() => system.invoke('janitor', { source: SOURCE })).catch(() => {});
      case 'wait':
        return system.clock.sleep(among([1_000, MINUTE, HOUR]));
    }
  };

  await start('backup');
  for (let actions = 6 + Math.floor(random() * 10); actions > 0; actions--) {
    await act(among(ACTIONS));
    if (chance(0.6)) await system.clock.sleep(among([10, 1_000, 10_000, 5 * MINUTE]));
    if (chance(0.3)) await Promise.all(running.values());
  }
  await Promise.all(running.values());
  await Promise.all(calls);
  for (const delivered of await Promise.all(twins)) mustBeOne(delivered, watch?.pruned ?? new Set());
  watch?.hold();

  calm = true;
  system.skew = 0;
  Object.assign(system.behaviour, { losesRows: false, addsRows: false, auditLies: false, auditIsBlind: false, tampersNothing: false });
  // Whatever clocks that were wrong have promised is over by then: a lease, a scratch target.
  await system.clock.sleep(49 * HOUR + 13 * HOUR);
  await afterwards(system, executions);
  watch?.hold();
  return { executions };
};

const OutputSchema = z.object({ backup: z.string(), already: z.boolean().optional() });

/** One schedule makes one backup, however often it is delivered, while that one is there. */
const mustBeOne = (delivered: readonly Ended[], pruned: ReadonlySet<string>): void => {
  const made = delivered.flatMap((ended) =>
    ended.outcome.status === 'SUCCEEDED' ? [OutputSchema.parse(ended.outcome.output).backup] : [],
  );
  if (new Set(made.filter((backup) => !pruned.has(backup))).size > 1)
    throw new Error(`one schedule made two backups: ${made.join(' and ')}`);
};

/** When the storm is over, all that is listed is whole, and everything works again. */
const afterwards = async (system: System, executions: Outcome['executions']): Promise<void> => {
  for (const { machine, ended } of executions) mustBeNamed(machine, ended);
  // As it does every hour.
  for (let round = 0; round < 2; round++) {
    await system.invoke('janitor', { source: SOURCE });
    await system.clock.sleep(HOUR);
  }
  const { backup, already } = OutputSchema.parse(outputOf(await system.run('backup')));
  if (already === true) throw new Error('a new backup was said to be there already');
  const entries = await listed(system.store, SOURCE);
  const made = entries.find((entry) => entry.backup === backup);
  if (made?.state !== 'sound') throw new Error(`backup ${backup} was made and is not listed`);
  await mustVerify(system.store, made.manifest);
  const truth = textOf(system.server.database('sea').content);
  if ((await artifactOf(system.store, made.manifest)) !== truth) throw new Error('the last backup does not show the source');
  const drilled = outputOf(await system.run('drill', { backup }));
  if (drilled['verdict'] !== 'PASSED') throw new Error(`the last drill did not pass: ${JSON.stringify(drilled)}`);
  const holder = await leaseHolder(system.control, SOURCE);
  if (holder !== undefined) throw new Error(`the lease is still held by ${holder}`);
  const left = [...system.server.databases.keys()].filter((name) => name !== 'sea' && name !== 'spare');
  if (left.length > 0) throw new Error(`scratch targets were left: ${left.join(', ')}`);
  const guides = await Array.fromAsync(system.store.list(backupsPrefix(SOURCE)));
  if (!guides.some(({ key }) => key.endsWith(`${backup}/RESTORE.md`))) throw new Error('the last backup has no RESTORE.md');
  if ((await readAll(system.store, 'lifeboat.json')) === undefined) throw new Error('the store has no lifeboat.json');
};

/** Whatever ends an execution has a name that a person can look up. */
const mustBeNamed = (machine: MachineName, { outcome }: Ended): void => {
  if (outcome.status === 'SUCCEEDED' || outcome.status === 'ABORTED') return;
  const { code } = failureOfCaught({ Error: outcome.error, Cause: outcome.cause });
  if (!isErrorCode(code)) throw new Error(`${machine} ended with ${outcome.error}: ${outcome.cause}`);
};
