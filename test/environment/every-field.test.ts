import { describe, expect, it } from 'vitest';
import example from '../../environments/example.json' with { type: 'json' };
import { deployable } from '../../infra/deployable.ts';
import { parseEnvironment } from '../../src/environment/parse.ts';
import { LifeboatError } from '../../src/errors.ts';

type Path = readonly (string | number)[];

/** Of every value that is neither a list nor an object, in the example that has a source of every kind. */
const leaves = (value: unknown, at: Path = []): Path[] =>
  typeof value !== 'object' || value === null
    ? [at]
    : Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...at, Array.isArray(value) ? Number(key) : key]));

const holderOf = (raw: unknown, path: Path): Record<string | number, unknown> => {
  let at = raw as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  return at;
};

const refusalOf = (raw: unknown): LifeboatError | undefined => {
  try {
    deployable(parseEnvironment(raw, { name: 'example', root: '/' }));
    return undefined;
  } catch (error) {
    if (error instanceof LifeboatError) return error;
    throw error;
  }
};

const paths = leaves(example).filter(([first]) => first !== '$schema' && first !== 'description');

describe('every field of an environment', () => {
  it('is there to be mistaken', () => {
    expect(paths.length).toBeGreaterThan(120);
  });

  it.each(paths.map((path) => [path.join('.'), path] as const))('%s is refused by its name when it is of the wrong type', (name, path) => {
    const raw: unknown = structuredClone(example);
    holderOf(raw, path)[path.at(-1) ?? ''] = { not: 'it' };
    expect(refusalOf(raw)).toMatchObject({ code: 'ConfigInvalid', message: expect.stringContaining(name) });
  });

  it.each(
    [
      ...new Set(
        paths.map((path) =>
          path
            .slice(0, -1)
            .filter((step) => typeof step === 'string')
            .join('.'),
        ),
      ),
    ]
      .filter(
        (at) =>
          !/^(sources|targets|deployment\.storage|)$|\.(emails|webhooks|read|write|about|subnets|securityGroups|routeTables|availabilityZones)$/.test(
            at,
          ),
      )
      .map((at) => [at]),
  )('%s refuses a field that it does not have', (at) => {
    const raw: unknown = structuredClone(example);
    holderOf(raw, [...at.split('.'), ''])['mistyped'] = 1;
    expect(refusalOf(raw)).toMatchObject({ code: 'ConfigInvalid', message: expect.stringContaining(`${at}.mistyped`) });
  });
});
