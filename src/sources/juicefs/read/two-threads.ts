import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ClassDigest } from '../../../backup/types.ts';
import { type ErrorCode, LifeboatError } from '../../../errors.ts';
import type { Reader } from '../engines/reader.ts';
import { textBuffer } from '../format/text-buffer.ts';
import { openStretch, type Sink, type Stretch } from './document.ts';

/** Text that a thread may have made before its turn: what bounds the memory. */
export const AHEAD_BYTES = 2 * 1024 * 1024;
/** Stretches that the other thread is given at once, so that it never waits to be told. */
const GIVEN_MAX = 2;
/** What lives for a moment needs no more, in MiB. */
const YOUNG_GENERATION_MIB = 2;

export interface ThreadData {
  readonly path: string;
  readonly prefix: string;
}

export type ToThread =
  | { readonly kind: 'begin' }
  | { readonly kind: 'read'; readonly number: number; readonly stretch: Stretch }
  | { readonly kind: 'back'; readonly text: Uint8Array; readonly bytes: number }
  | { readonly kind: 'finish' };

export type FromThread =
  | { readonly kind: 'ready' | 'begun' }
  | { readonly kind: 'text'; readonly number: number; readonly text: Uint8Array; readonly entries: number }
  | { readonly kind: 'ended'; readonly number: number }
  | { readonly kind: 'done'; readonly digest: ClassDigest }
  | {
      readonly kind: 'failed';
      readonly failure: { readonly code: ErrorCode | undefined; readonly message: string; readonly hint: string };
    };

/** Another thread, with a session of its own. */
export interface OtherThread {
  /** Fixes the instant that it reads. */
  begin(): Promise<void>;
  read(number: number, stretch: Stretch): void;
  giveBack(text: Uint8Array): void;
  /** Closes its session; what all of its entries add up to. */
  finish(): Promise<ClassDigest>;
  /** Of what it reads; an error is the last thing that is heard of it. */
  listen(hear: (message: Extract<FromThread, { kind: 'text' | 'ended' }> | Error) => void): void;
  stop(): Promise<void>;
}

export const startThread = async (data: ThreadData): Promise<OtherThread> => {
  const worker = new Worker(new URL('./other-thread.ts', import.meta.url), {
    workerData: data,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  });
  let hear: (message: Extract<FromThread, { kind: 'text' | 'ended' }> | Error) => void = () => {};
  const answers = new Map<FromThread['kind'], PromiseWithResolvers<FromThread>>();
  const answer = (kind: FromThread['kind']): PromiseWithResolvers<FromThread> => {
    const waiting = answers.get(kind) ?? Promise.withResolvers<FromThread>();
    // Whoever waits for it is told; nobody may.
    waiting.promise.catch(() => {});
    answers.set(kind, waiting);
    return waiting;
  };
  const fail = (error: Error): void => {
    for (const kind of ['ready', 'begun', 'done'] as const) answer(kind).reject(error);
    hear(error);
  };
  worker.on('message', (message: FromThread) => {
    if (message.kind === 'failed') fail(errorOf(message.failure));
    else if (message.kind === 'text' || message.kind === 'ended') hear(message);
    else answer(message.kind).resolve(message);
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new LifeboatError('FunctionKilled', 'a thread of the dump ended too early', { hint: 'Try again.' })));
  const tell = (message: ToThread, moved: ArrayBuffer[] = []): void => worker.postMessage(message, moved);
  await answer('ready').promise;
  return {
    async begin() {
      tell({ kind: 'begin' });
      await answer('begun').promise;
    },
    read: (number, stretch) => tell({ kind: 'read', number, stretch }),
    giveBack: (text) => tell({ kind: 'back', text, bytes: text.byteLength }, [text.buffer as ArrayBuffer]),
    async finish() {
      tell({ kind: 'finish' });
      const done = await answer('done').promise;
      if (done.kind !== 'done') throw new Error(`a thread answered ${done.kind}`);
      return done.digest;
    },
    listen(to) {
      hear = to;
    },
    async stop() {
      await worker.terminate();
    },
  };
};

const errorOf = ({ code, message, hint }: Extract<FromThread, { kind: 'failed' }>['failure']): Error =>
  code === undefined ? new Error(message) : new LifeboatError(code, message, { hint });

interface Part {
  readonly texts: { readonly text: Uint8Array; readonly entries: number }[];
  ended: boolean;
}

export interface ByTwo {
  /** In the order of the stretches. */
  texts(): AsyncGenerator<{ readonly text: Uint8Array; readonly entries: number }>;
  giveBack(text: Uint8Array): void;
}

/** Reads stretches in this thread and in another one: each takes the next that nobody has, and nobody waits for a turn but with his text. */
export const readByTwo = (reader: Reader, stretches: readonly Stretch[], sinkOf: (stretch: Stretch) => Sink, other: OtherThread): ByTwo => {
  const parts = stretches.map((): Part => ({ texts: [], ended: false }));
  const out = textBuffer();
  const theirs = new WeakSet<ArrayBufferLike>();
  let next = 0;
  let given = 0;
  /** Of this thread: made, and not given back. */
  let ahead = 0;
  let stopped = false;
  let failure: unknown;
  let stir: () => void = () => {};
  let goOn: () => void = () => {};

  const giveOther = (): void => {
    for (; given < GIVEN_MAX && next < stretches.length; given++, next++) other.read(next, stretches[next] as Stretch);
  };
  other.listen((message) => {
    if (message instanceof Error) failure ??= message;
    else if (message.kind === 'text') {
      theirs.add(message.text.buffer);
      parts[message.number]?.texts.push(message);
    } else {
      (parts[message.number] as Part).ended = true;
      given--;
      giveOther();
    }
    stir();
  });

  const readOwn = async (): Promise<void> => {
    while (next < stretches.length) {
      const number = next++;
      giveOther();
      const stretch = stretches[number] as Stretch;
      const part = parts[number] as Part;
      const from = openStretch(reader, stretch, sinkOf(stretch), out);
      for (let text = await from.next(); text !== undefined; text = await from.next()) {
        part.texts.push({ text, entries: from.entries });
        ahead += text.byteLength;
        stir();
        // What the other thread says is heard in between.
        await turn();
        while (ahead > AHEAD_BYTES && !stopped) await new Promise<void>((resolve) => (goOn = resolve));
        if (stopped) return;
      }
      part.ended = true;
      stir();
    }
  };

  return {
    async *texts() {
      const own = readOwn().catch((error: unknown) => {
        failure ??= error;
        stir();
      });
      try {
        for (const part of parts) {
          let told = 0;
          for (;;) {
            if (failure !== undefined) throw failure;
            const first = part.texts.shift();
            if (first !== undefined) {
              yield { text: first.text, entries: first.entries - told };
              told = first.entries;
            } else if (part.ended) break;
            else await new Promise<void>((resolve) => (stir = resolve));
          }
        }
      } finally {
        // Its session must not be closed while it reads.
        stopped = true;
        goOn();
        await own;
      }
    },
    giveBack(text) {
      if (theirs.has(text.buffer)) return other.giveBack(text);
      ahead -= text.byteLength;
      out.giveBack(text);
      goOn();
    },
  };
};
