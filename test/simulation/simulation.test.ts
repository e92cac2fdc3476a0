import { describe, expect, it } from 'vitest';
import corpus from './corpus.json' with { type: 'json' };
import { simulate } from './simulation.ts';

/** Seeds of a usual run; LIFEBOAT_SEEDS runs more, LIFEBOAT_SEED one, and says what happened. */
const SEEDS = 25;

const only = process.env['LIFEBOAT_SEED'];
const seeds = only !== undefined ? [Number(only)] : Array.from({ length: Number(process.env['LIFEBOAT_SEEDS'] ?? SEEDS) }, (_, n) => n + 1);

const run = async (seed: number): Promise<void> => {
  try {
    const { executions } = await simulate(seed, only === undefined ? undefined : (line) => process.stderr.write(`${line}\n`));
    expect(executions.length).toBeGreaterThan(0);
  } catch (error) {
    throw new Error(`seed=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
};

describe('the simulation', () => {
  it(
    'keeps every promise in any storm',
    async () => {
      const failures: string[] = [];
      for (const seed of seeds)
        await run(seed).catch((error: unknown) => failures.push(error instanceof Error ? error.message : String(error)));
      expect(failures).toEqual([]);
    },
    only === undefined ? 30_000 + seeds.length * 5_000 : 60_000,
  );

  it.skipIf(only !== undefined).each(corpus)('keeps them in the storm of seed $seed: $found', async ({ seed }) => run(seed));
});
