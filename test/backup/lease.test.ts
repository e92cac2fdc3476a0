import { describe, expect, it } from 'vitest';
import { leaseKey } from '../../src/backup/layout.ts';
import { acquireLease, breakLease, checkLease, type LeaseRequest, releaseLease } from '../../src/backup/lease.ts';
import { isLifeboatError } from '../../src/errors.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { Store } from '../../src/stores/store.ts';

const at = (hour: number): Date => new Date(Date.UTC(2026, 10, 21, hour));
const source = 'files';

const request = (execution: string, more: Partial<LeaseRequest> = {}): LeaseRequest => ({
  source,
  execution,
  now: at(1),
  expiresAt: at(13),
  ownerState: async () => 'running',
  ...more,
});

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    if (isLifeboatError(error)) return error.code;
    throw error;
  }
  return 'ok';
};

describe('a lease', () => {
  it('lets one execution work at a time, and names it to the others', async () => {
    const control = memoryStore();
    const { token, takenFrom } = await acquireLease(control, request('arn:one'));
    expect(takenFrom).toBeUndefined();
    await checkLease(control, source, token, at(2));
    await expect(acquireLease(control, request('arn:two'))).rejects.toThrow('held by arn:one until 2026-11-21T13:00:00.000Z');
    expect(await codeOf(acquireLease(control, request('arn:two')))).toBe('LeaseHeld');
  });

  it('is of one source', async () => {
    const control = memoryStore();
    await acquireLease(control, request('arn:one'));
    expect(await codeOf(acquireLease(control, request('arn:two', { source: 'other' })))).toBe('ok');
  });

  it('is the same one for an execution that asks again', async () => {
    const control = memoryStore();
    expect(await acquireLease(control, request('arn:one'))).toEqual(await acquireLease(control, request('arn:one')));
  });

  it('is free again once it was given back, and never the same', async () => {
    const control = memoryStore();
    const first = await acquireLease(control, request('arn:one'));
    await releaseLease(control, source, first.token);
    expect(await codeOf(checkLease(control, source, first.token, at(2)))).toBe('LeaseLost');
    const second = await acquireLease(control, request('arn:one'));
    expect(second.takenFrom).toBeUndefined();
    expect(second.token).not.toBe(first.token);
  });

  it('is taken over when it expired, and the old holder notices', async () => {
    const control = memoryStore();
    const old = await acquireLease(control, request('arn:one'));
    expect(await codeOf(checkLease(control, source, old.token, at(13)))).toBe('LeaseLost');
    const taken = await acquireLease(control, request('arn:two', { now: at(13), expiresAt: at(25) }));
    expect(taken.takenFrom).toBe('arn:one');
    await expect(checkLease(control, source, old.token, at(2))).rejects.toThrow('taken over by arn:two');
    await releaseLease(control, source, old.token);
    await checkLease(control, source, taken.token, at(14));
  });

  it('that is not there, or cannot be read, is lost by name', async () => {
    const control = memoryStore();
    const { token } = await acquireLease(control, request('arn:one'));
    await control.replace(leaseKey(source), Buffer.from('{'), (await control.head(leaseKey(source)))?.etag ?? null);
    await expect(checkLease(control, source, token, at(2))).rejects.toMatchObject({
      code: 'LeaseLost',
      message: expect.stringContaining('cannot be read'),
    });
    await control.delete(leaseKey(source));
    await expect(checkLease(control, source, token, at(2))).rejects.toMatchObject({
      code: 'LeaseLost',
      message: expect.stringContaining('is not there any more'),
    });
  });

  it.each([
    ['gone', 'ok'],
    ['running', 'LeaseHeld'],
    ['unknown', 'LeaseHeld'],
  ] as const)('of an owner that is %s: %s', async (state, outcome) => {
    const control = memoryStore();
    await acquireLease(control, request('arn:one'));
    const asked: string[] = [];
    const ownerState = async (execution: string) => {
      asked.push(execution);
      return state;
    };
    expect(await codeOf(acquireLease(control, request('arn:two', { ownerState })))).toBe(outcome);
    expect(asked).toEqual(['arn:one']);
  });

  it('is not given to an execution that is past its own end', async () => {
    expect(await codeOf(acquireLease(memoryStore(), request('arn:one', { now: at(13) })))).toBe('LeaseLost');
  });

  it('that cannot be read is taken over, and protects nobody', async () => {
    const control = memoryStore();
    for (const text of ['', '{}', 'null', '{"state":"held","generation":"1"}']) {
      await control.delete(leaseKey(source));
      await control.create(leaseKey(source), Buffer.from(text));
      expect(await codeOf(checkLease(control, source, '1', at(2)))).toBe('LeaseLost');
      const lease = await acquireLease(control, request('arn:one'));
      expect(lease.takenFrom).toBe('unreadable');
      await checkLease(control, source, lease.token, at(2));
    }
  });

  it('is broken for an owner that is gone, and for no other', async () => {
    const control = memoryStore();
    const { token } = await acquireLease(control, request('arn:one'));
    expect(await breakLease(control, { source, now: at(2), ownerState: async () => 'unknown' })).toBe(false);
    await checkLease(control, source, token, at(2));
    expect(await breakLease(control, { source, now: at(2), ownerState: async () => 'gone' })).toBe(true);
    expect(await codeOf(checkLease(control, source, token, at(2)))).toBe('LeaseLost');
    expect(await breakLease(control, { source, now: at(20), ownerState: async () => 'gone' })).toBe(false);
  });
});

/** Each call of these waits its turn, so that a test decides the order of what two takers do. */
const interleaved = (control: Store, turns: readonly number[], taker: number, gate: { turn: number; wake: (() => void)[] }): Store => {
  const myTurn = async (): Promise<void> => {
    while (gate.turn < turns.length && turns[gate.turn] !== taker) await new Promise<void>((resolve) => gate.wake.push(resolve));
    gate.turn += 1;
    for (const wake of gate.wake.splice(0)) wake();
  };
  return {
    ...control,
    async head(key) {
      await myTurn();
      return control.head(key);
    },
    async replace(key, body, ifMatch) {
      await myTurn();
      return control.replace(key, body, ifMatch);
    },
  };
};

/** All orders of two takers' first steps. */
const ORDERS = Array.from({ length: 16 }, (_, bits) => [0, 1, 2, 3].map((bit) => (bits >> bit) & 1));

describe('two takers at once', () => {
  it.each(ORDERS)('one gets it, the other hears of it (%d%d%d%d)', async (...turns) => {
    const control = memoryStore();
    const gate = { turn: 0, wake: [] };
    const outcomes = await race(control, turns, gate, request('arn:zero'), request('arn:one'));
    expect(outcomes.map(({ code }) => code).sort()).toEqual(['LeaseHeld', 'ok']);
  });

  it.each(ORDERS)('of a dead owner: one takes over, and only its token is good (%d%d%d%d)', async (...turns) => {
    const control = memoryStore();
    const dead = await acquireLease(control, request('arn:dead'));
    const ownerState = async (execution: string) => (execution === 'arn:dead' ? ('gone' as const) : ('running' as const));
    const gate = { turn: 0, wake: [] };
    const outcomes = await race(control, turns, gate, request('arn:zero', { ownerState }), request('arn:one', { ownerState }));
    const won = outcomes.filter(({ code }) => code === 'ok');
    expect(won).toMatchObject([{ takenFrom: 'arn:dead' }]);
    expect(outcomes.filter(({ code }) => code === 'LeaseHeld')).toHaveLength(1);
    expect(await codeOf(checkLease(control, source, won[0]?.token ?? '', at(2)))).toBe('ok');
    expect(await codeOf(checkLease(control, source, dead.token, at(2)))).toBe('LeaseLost');
  });

  it('a holder that gives back while another takes over does not take it from that one', async () => {
    const control = memoryStore();
    const old = await acquireLease(control, request('arn:old'));
    const taken: string[] = [];
    const late: Store = {
      ...control,
      async replace(key, body, ifMatch) {
        const { token } = await acquireLease(control, request('arn:new', { ownerState: async () => 'gone' }));
        taken.push(token);
        return control.replace(key, body, ifMatch);
      },
    };
    await releaseLease(late, source, old.token);
    expect(taken).toHaveLength(1);
    await checkLease(control, source, taken[0] ?? '', at(2));
  });

  it('many at once: one gets it', async () => {
    const control = memoryStore();
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => codeOf(acquireLease(control, request(`arn:${i}`)))));
    expect(outcomes.filter((code) => code === 'ok')).toHaveLength(1);
    expect(outcomes.filter((code) => code === 'LeaseHeld')).toHaveLength(19);
  });
});

const race = async (
  control: Store,
  turns: readonly number[],
  gate: { turn: number; wake: (() => void)[] },
  ...requests: readonly LeaseRequest[]
): Promise<{ code: string; token?: string; takenFrom?: string }[]> =>
  Promise.all(
    requests.map(async (one, taker) => {
      try {
        return { code: 'ok', ...(await acquireLease(interleaved(control, turns, taker, gate), one)) };
      } catch (error) {
        if (isLifeboatError(error)) return { code: error.code };
        throw error;
      } finally {
        gate.turn = turns.length;
        for (const wake of gate.wake.splice(0)) wake();
      }
    }),
  );
