import { FORMAT_KEY } from '../backup/layout.ts';
import { readAll } from '../backup/objects.ts';
import type { Json } from '../backup/types.ts';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import type { Facts } from '../sources/contract.ts';
import { isReference } from './redact.ts';
import type { World } from './world.ts';

/** What a function sees from where it stands: inside of the VPC, with its role. */
export interface Probed {
  readonly findings: readonly ProbeFinding[];
  /** Of a source that answered. */
  readonly facts: Facts | null;
}

export interface ProbeFinding {
  readonly what: string;
  readonly ok: boolean;
  readonly message: string;
  readonly hint: string;
}

/** A place that cannot be reached often does not answer at all; in milliseconds. */
const PATIENCE_MS = 25_000;

/** Reaches for the stores, the secrets and the system of a source. Changes nothing, and takes no lease. */
export const probeSource = async (world: World, source: string): Promise<Probed> => {
  const { address } = world.entry(source);
  let facts: Facts | null = null;
  const findings = await Promise.all([
    ...common(world, source),
    ...secrets(world, address),
    reached(`source ${source}`, async () => {
      facts = await (await world.openSource(source)).inspect();
      const [problem] = facts.problems;
      if (problem !== undefined) throw new LifeboatError('SourceProblem', `${problem.code}: ${problem.message}`, { hint: problem.hint });
      return `${facts.product} ${facts.version} at ${facts.place}`;
    }),
  ]);
  return { findings, facts };
};

/** The same of where its restores and drills go. */
export const probeTargets = async (world: World, source: string): Promise<Probed> => {
  const { restore, drill } = world.entry(source);
  const names = [...new Set([restore?.target, drill?.scratch].filter((name) => name !== undefined))];
  const findings = await Promise.all([
    ...common(world, source),
    ...names.flatMap((target) => [
      ...secrets(world, world.environment.targets[target]?.address ?? null),
      reached(`target ${target}`, async () => {
        const facts = await (await world.openTarget({ source, target, drill: null })).inspect();
        const [problem] = facts.problems;
        if (problem !== undefined) throw new LifeboatError('TargetProblem', `${problem.code}: ${problem.message}`, { hint: problem.hint });
        return `${facts.product} ${facts.version} at ${facts.place}`;
      }),
    ]),
  ]);
  return { findings, facts: null };
};

const common = ({ runtime }: World, source: string): Promise<ProbeFinding>[] => [
  reached('the store, from inside', async () => {
    const format = await readAll(runtime.store, FORMAT_KEY);
    return format === undefined ? `${runtime.store.url} answers; there is no backup yet` : `${runtime.store.url} can be read`;
  }),
  reached('control, from inside', async () => {
    await runtime.control.head(`${source}/lease.json`);
    return `${runtime.control.url} can be read`;
  }),
];

/** By their names: what they hold is never told. */
const secrets = ({ runtime }: World, address: Json): Promise<ProbeFinding>[] =>
  referencesIn(address).map((reference) =>
    reached(`secret ${reference.replace(/^[a-z]+:/, '')}`, async () => {
      const { length } = await runtime.services.secret(reference);
      if (length === 0) throw new LifeboatError('SecretMissing', 'it is empty');
      return 'can be read, and has a text of the right shape';
    }),
  );

const referencesIn = (value: Json): string[] => {
  if (typeof value === 'string') return isReference(value) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return [...new Set(Object.values(value).flatMap(referencesIn))];
};

const reached = async (what: string, look: () => Promise<string>): Promise<ProbeFinding> => {
  const late = new LifeboatError('ConnectionLost', `no answer in ${PATIENCE_MS / 1000} s`, {
    hint: 'A security group, a route or an endpoint is missing between the function and it.',
  });
  try {
    return { what, ok: true, message: await withinPatience(look(), late), hint: '' };
  } catch (error) {
    if (!isLifeboatError(error)) throw error;
    return { what, ok: false, message: `${error.code}: ${error.message}`, hint: error.hint };
  }
};

const withinPatience = async <T>(work: Promise<T>, late: Error): Promise<T> => {
  const waiting = Promise.withResolvers<never>();
  const timer = setTimeout(() => waiting.reject(late), PATIENCE_MS);
  try {
    return await Promise.race([work, waiting.promise]);
  } finally {
    clearTimeout(timer);
  }
};
