import { describe, expect, it } from 'vitest';
import { realClock } from '../../../src/local/asl/clock.ts';

describe('the real clock', () => {
  it('tells the time and sleeps', async () => {
    const before = realClock.now();
    expect(Math.abs(before - Date.now())).toBeLessThan(1000);
    await realClock.sleep(20);
    expect(realClock.now() - before).toBeGreaterThanOrEqual(19);
  });

  it('wakes with the reason of its signal, at once when it is aborted already', async () => {
    const controller = new AbortController();
    const sleeping = realClock.sleep(60_000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    await expect(realClock.sleep(60_000, controller.signal)).rejects.toThrow('enough');
    await expect(realClock.sleep(0, controller.signal)).rejects.toThrow('enough');
  });

  it('calls later, unless it is cancelled', async () => {
    const log: string[] = [];
    realClock.after(10, () => log.push('called'));
    const cancel = realClock.after(5, () => log.push('cancelled'));
    cancel();
    await realClock.sleep(40);
    expect(log).toEqual(['called']);
  });

  it('takes durations that are longer than Node’s timers allow', async () => {
    const log: string[] = [];
    const cancel = realClock.after(99_999_999_000, () => log.push('fired at once'));
    const controller = new AbortController();
    const sleeping = realClock.sleep(99_999_999_000, controller.signal).catch(() => log.push('aborted'));
    await realClock.sleep(30);
    expect(log).toEqual([]);
    cancel();
    controller.abort();
    await sleeping;
    expect(log).toEqual(['aborted']);
  });
});
