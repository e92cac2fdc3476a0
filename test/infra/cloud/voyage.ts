import { randomUUID } from 'node:crypto';
import type { Json } from '../../../src/backup/types.ts';
import { type Clock, realClock } from '../../../src/local/asl/clock.ts';
import { failureOf } from '../../../src/local/asl/errors.ts';
import { runMachine } from '../../../src/local/asl/machine.ts';
import type { NestedExecution, World } from '../../../src/local/asl/world.ts';
import type { Store } from '../../../src/stores/store.ts';
import type { ServiceCall } from './services.ts';
import type { Cloud } from './template.ts';

export interface Machines {
  /** Runs a deployed machine to its end, whatever the end is. */
  run(arn: string, input: Json): Promise<NestedExecution>;
  /** What Step Functions itself did for the machines, by the machine's name. */
  readonly calls: readonly ServiceCall[];
  /** What passed between machines and functions, in bytes: input or answer. */
  readonly payloads: readonly { readonly of: string; readonly bytes: number }[];
  /** Executions that have not ended. */
  readonly running: ReadonlySet<string>;
}

/** Step Functions over the machines as they are deployed, calling the functions that they name. */
export const startMachines = (
  cloud: Cloud,
  invoke: (functionName: string, payload: Json) => Promise<Json>,
  control: Store,
  running: Set<string>,
  clock: Clock = realClock,
): Machines => {
  const calls: ServiceCall[] = [];
  const payloads: { readonly of: string; readonly bytes: number }[] = [];
  const weighed = <T extends Json>(of: string, payload: T): T => {
    payloads.push({ of, bytes: Buffer.byteLength(JSON.stringify(payload)) });
    return payload;
  };
  const run = async (arn: string, input: Json): Promise<NestedExecution> => {
    const machine = cloud.machines.get(arn);
    if (machine === undefined) throw new Error(`there is no machine ${arn}`);
    const by = arn.slice(arn.lastIndexOf(':') + 1);
    const note = (action: string, resource: string): void => void calls.push({ by, action, resource });
    const objectArn = (bucket: string, key: string): string => `arn:aws:s3:::${bucket}/${key}`;
    const within = (key: string): string => key.slice(control.prefix.length);
    const world: World = {
      invoke: async (functionArn, payload) => {
        note('lambda:InvokeFunction', functionArn);
        const name = functionArn.slice(functionArn.lastIndexOf(':') + 1);
        return weighed(name, await invoke(name, weighed(name, payload)));
      },
      startExecution: (nested, nestedInput) => {
        note('states:StartExecution', nested);
        return run(nested, weighed(nested, nestedInput));
      },
      readObject: (bucket, key) => {
        note('s3:GetObject', objectArn(bucket, key));
        return control.read(within(key));
      },
      writeObject: async (bucket, key, bytes) => {
        note('s3:PutObject', objectArn(bucket, key));
        await control.create(within(key), bytes);
      },
      clock,
      random: Math.random,
      onEvent: () => undefined,
    };
    const name = randomUUID();
    const executionArn = `${arn.replace(':stateMachine:', ':execution:')}:${name}`;
    const startDate = Date.now();
    running.add(executionArn);
    try {
      const output = await runMachine(machine.definition, input, world, {
        id: executionArn,
        name,
        startTime: new Date(startDate).toISOString(),
      });
      return { executionArn, name, startDate, stopDate: Date.now(), status: 'SUCCEEDED', output };
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      return { executionArn, name, startDate, stopDate: Date.now(), ...failure };
    } finally {
      running.delete(executionArn);
    }
  };
  return { run, calls, payloads, running };
};
