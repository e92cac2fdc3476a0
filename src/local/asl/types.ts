import type { Json } from '../../backup/types.ts';
import type { Expression } from './expression.ts';

/** A definition after parse.ts: what it says is known to be understood. */
export interface Machine {
  readonly timeoutSeconds: number | undefined;
  readonly chain: Chain;
}

/** A scope of states: the machine itself, a branch of a Parallel, the processor of a Map. */
export interface Chain {
  readonly startAt: string;
  readonly states: ReadonlyMap<string, State>;
}

/** JSON with expressions in it. */
export type Template =
  | { readonly kind: 'literal'; readonly value: Json }
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'array'; readonly items: readonly Template[] }
  | { readonly kind: 'object'; readonly fields: readonly (readonly [string, Template])[] };

/** What a state leaves behind; both are evaluated with the variables from its entry. */
export interface Effects {
  readonly assign: Template | undefined;
  readonly output: Template | undefined;
}

/** `undefined` ends the chain. */
export interface Onward extends Effects {
  readonly next: string | undefined;
}

export interface Rule extends Effects {
  readonly next: string;
}

export interface Retrier {
  readonly errorEquals: readonly string[];
  readonly intervalSeconds: number;
  readonly maxAttempts: number;
  readonly backoffRate: number;
  readonly maxDelaySeconds: number | undefined;
  readonly fullJitter: boolean;
}

export interface Catcher extends Rule {
  readonly errorEquals: readonly string[];
}

export interface Guarded extends Onward {
  readonly retry: readonly Retrier[];
  readonly catch: readonly Catcher[];
}

interface Named {
  readonly name: string;
}

export interface TaskState extends Named, Guarded {
  readonly type: 'Task';
  readonly timeoutSeconds: Template | undefined;
  readonly call:
    | { readonly resource: 'lambda'; readonly functionName: Template; readonly payload: Template | undefined }
    | {
        readonly resource: 'execution';
        readonly stateMachineArn: Template;
        readonly input: Template | undefined;
        readonly name: Template | undefined;
      };
}

export interface ParallelState extends Named, Guarded {
  readonly type: 'Parallel';
  readonly arguments: Template | undefined;
  readonly branches: readonly Chain[];
}

export interface MapState extends Named, Guarded {
  readonly type: 'Map';
  readonly mode: 'INLINE' | 'DISTRIBUTED';
  readonly items: Template | undefined;
  readonly reader: ItemReader | undefined;
  readonly selector: Template | undefined;
  readonly maxConcurrency: Template | undefined;
  readonly toleratedCount: Template | undefined;
  readonly toleratedPercentage: Template | undefined;
  readonly writer: ResultWriter | undefined;
  readonly label: string;
  readonly processor: Chain;
}

export interface ItemReader {
  readonly bucket: Template;
  readonly key: Template;
  readonly maxItems: Template | undefined;
}

export interface ResultWriter {
  readonly bucket: Template;
  readonly prefix: Template | undefined;
  readonly transformation: 'NONE' | 'COMPACT' | 'FLATTEN';
  readonly outputType: 'JSON' | 'JSONL';
}

export interface ChoiceState extends Named, Effects {
  readonly type: 'Choice';
  readonly choices: readonly (Rule & { readonly condition: Expression })[];
  readonly default: string | undefined;
}

export interface WaitState extends Named, Onward {
  readonly type: 'Wait';
  readonly seconds: Template | undefined;
  readonly timestamp: Template | undefined;
}

export interface PassState extends Named, Onward {
  readonly type: 'Pass';
}

export interface SucceedState extends Named, Effects {
  readonly type: 'Succeed';
}

export interface FailState extends Named {
  readonly type: 'Fail';
  readonly error: Template;
  readonly cause: Template | undefined;
}

export type State = TaskState | ParallelState | MapState | ChoiceState | WaitState | PassState | SucceedState | FailState;
