import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as realSleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { virtualClock } from './virtual-clock.ts';

describe('the virtual clock', () => {
  it('jumps over hours at once and fires timers in order of time, then of creation', async () => {
    const clock = virtualClock('2026-01-01T00:00:00Z');
    const log: string[] = [];
    const sleeper = async (name: string, ms: number) => {
      await clock.sleep(ms);
      log.push(`${name}@${clock.now() - Date.UTC(2026, 0, 1)}`);
    };
    await Promise.all([sleeper('b', 7_200_000), sleeper('a', 1000), sleeper('c', 7_200_000), sleeper('zero', 0)]);
    expect(log).toEqual(['zero@0', 'a@1000', 'b@7200000', 'c@7200000']);
    expect(clock.pending()).toBe(0);
  });

  it('does not fire a cancelled timer, and forgets it', async () => {
    const clock = virtualClock();
    let fired = false;
    const cancel = clock.after(10, () => {
      fired = true;
    });
    cancel();
    await clock.sleep(100);
    expect([fired, clock.pending()]).toEqual([false, 0]);
  });

  it('ends a sleep with the reason of its signal and leaves no timer', async () => {
    const clock = virtualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(1_000_000, controller.signal);
    clock.after(5, () => controller.abort(new Error('enough')));
    await expect(sleeping).rejects.toThrow('enough');
    expect(clock.pending()).toBe(0);
  });

  it('stands still while busy work waits for the real world', async () => {
    const clock = virtualClock();
    const start = clock.now();
    let deadline = false;
    const cancel = clock.after(50, () => {
      deadline = true;
    });
    await clock.busy(() => realSleep(60));
    expect([deadline, clock.now()]).toEqual([false, start]);
    cancel();
  });

  it('passes while busy work sleeps on it, and stands still again after', async () => {
    const clock = virtualClock();
    const start = clock.now();
    const folder = await mkdtemp(join(tmpdir(), 'clock-'));
    const deadline: number[] = [];
    const cancel = clock.after(10_000, () => deadline.push(clock.now() - start));
    const text = await clock.busy(async () => {
      for (let n = 0; n < 3; n += 1) {
        await writeFile(join(folder, 'x'), String(n));
        await clock.sleep(2000);
      }
      return readFile(join(folder, 'x'), 'utf8');
    });
    expect([text, clock.now() - start, deadline]).toEqual(['2', 6000, []]);
    cancel();
    await rm(folder, { recursive: true });
  });

  it('lets work that needs several turns of the event loop finish before a timer fires', async () => {
    const clock = virtualClock();
    const log: string[] = [];
    const turns = async () => {
      for (let n = 0; n < 5; n += 1) await new Promise((resolve) => setImmediate(resolve));
      log.push('turns');
    };
    await Promise.all([clock.sleep(1).then(() => log.push('timer')), turns()]);
    expect(log).toEqual(['turns', 'timer']);
  });
});
