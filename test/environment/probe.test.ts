import { afterEach, describe, expect, it, vi } from 'vitest';
import { probeSource, probeTargets } from '../../src/environment/probe.ts';
import type { World } from '../../src/environment/world.ts';
import { LifeboatError } from '../../src/errors.ts';
import { memoryRuntime } from '../support/runtime.ts';

const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf';
const facts = { product: 'PostgreSQL', version: '18.4', place: 'db', content: 'c', bytes: 1, problems: [], empty: true };

const worldOf = (changes: { readonly inspect?: () => Promise<unknown>; readonly secret?: () => Promise<string> } = {}): World => {
  const runtime = memoryRuntime();
  const address = { host: 'db', password: `secretsmanager:${ARN}` };
  const inspect = changes.inspect ?? (async () => facts);
  return {
    environment: {
      name: 'prod',
      root: '/',
      store: { url: '' },
      control: { url: '' },
      sources: {},
      targets: { drills: { kind: 'postgres', address } },
    },
    runtime: { ...runtime, services: { ...runtime.services, secret: changes.secret ?? (async () => 'hunter2') } },
    entry: () => ({ kind: 'postgres', address, drill: { scratch: 'drills' } }),
    openSource: async () => ({ inspect }),
    openTarget: async () => ({ inspect }),
  } as unknown as World;
};

const wrongIn = async (world: World) => (await probeSource(world, 'catalog')).findings.filter(({ ok }) => !ok);

afterEach(() => void vi.useRealTimers());

describe('a probe', () => {
  it('reaches the stores, the secret and the system, and never tells what a secret holds', async () => {
    const seen = [await probeSource(worldOf(), 'catalog'), await probeTargets(worldOf(), 'catalog')];
    expect(seen.map(({ findings }) => findings.map(({ what, ok }) => `${what} ${ok}`))).toEqual([
      ['the store, from inside true', 'control, from inside true', `secret ${ARN} true`, 'source catalog true'],
      ['the store, from inside true', 'control, from inside true', `secret ${ARN} true`, 'target drills true'],
    ]);
    expect(JSON.stringify(seen)).not.toContain('hunter2');
  });

  it('says what the system refuses, and what a secret lacks', async () => {
    const refused = async () => {
      throw new LifeboatError('ConnectionRefused', 'db refuses', { hint: 'Is it up?' });
    };
    expect(await wrongIn(worldOf({ inspect: refused }))).toEqual([
      { what: 'source catalog', ok: false, message: 'ConnectionRefused: db refuses', hint: 'Is it up?' },
    ]);
    const problems = [{ code: 'rls', message: 'table t has row security', hint: 'Use another role.' }];
    expect(await wrongIn(worldOf({ inspect: async () => ({ ...facts, problems }) }))).toMatchObject([
      { message: 'SourceProblem: rls: table t has row security', hint: 'Use another role.' },
    ]);
    expect(await wrongIn(worldOf({ secret: async () => '' }))).toMatchObject([
      { what: `secret ${ARN}`, message: 'SecretMissing: it is empty' },
    ]);
  });

  it('waits no longer for what does not answer than a person would', async () => {
    vi.useFakeTimers();
    const looking = wrongIn(worldOf({ inspect: () => new Promise(() => {}) }));
    await vi.advanceTimersByTimeAsync(25_000);
    expect(await looking).toMatchObject([
      { message: 'ConnectionLost: no answer in 25 s', hint: expect.stringContaining('security group') },
    ]);
  });
});
