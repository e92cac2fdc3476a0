import { afterEach, describe, expect, it } from 'vitest';
import { receiptKey } from '../../src/backup/layout.ts';
import { ID, proof, putBackup, putProof } from '../cli/support.ts';
import { ok } from '../support/step-functions.ts';
import { type Cloud, openCloud } from './support.ts';

let cloud: Cloud;
afterEach(() => cloud?.stop());

/** What the function inside of the network says of the source. */
const open = async (bytes: number | 'unreachable'): Promise<Cloud> => {
  const source = { product: 'PostgreSQL', version: '18.4', place: 'p', content: 'c', bytes, problems: [] };
  const unreached = [{ what: 'source catalog', ok: false, message: 'ConnectionRefused: db.internal refuses', hint: 'Is it up?' }];
  cloud = await openCloud({
    source: {
      password: 'secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf',
      schedule: 'rate(1 day)',
      retention: { daily: 14 },
      drill: { scratch: 'drills', schedule: 'cron(0 5 ? * TUE *)' },
      concurrency: 4,
    },
    other: ({ url }) =>
      decodeURIComponent(url.pathname).endsWith(':function:prod-catalog-probe-source/invocations')
        ? ok(bytes === 'unreachable' ? { findings: unreached, facts: null } : { findings: [], facts: source })
        : undefined,
  });
  return cloud;
};

interface Deployed {
  readonly basis: string;
  readonly backup: { readonly usd: number };
  readonly month: {
    readonly usd: number;
    readonly lines: readonly { readonly what: string; readonly quantity: number; readonly usd: number }[];
  };
  readonly limits: readonly { readonly fits: boolean }[];
  readonly notCounted: readonly { readonly what: string }[];
}

const deployedOf = (json: Record<string, unknown>): Deployed => json['deployed'] as Deployed;

describe('a plan for AWS', () => {
  it('before the first backup assumes a rate, and says so', async () => {
    await open(5e9);
    const ran = await cloud.run(['plan', 'catalog', '--json']);
    expect(ran.code).toBe(0);
    const deployed = deployedOf(ran.json());
    expect(deployed.basis).toBe('assumed: 12 MB/s a function, compressed to a quarter');
    // 5 GB at 12 MB/s are 417 s of function, by whichever number of them; with two holders of 104 s that is about a cent.
    expect(deployed.backup.usd).toBeGreaterThan(0.009);
    expect(deployed.backup.usd).toBeLessThan(0.03);
    const stored = deployed.month.lines.find(({ what }) => what === 'storage: 14 backups');
    expect(stored).toMatchObject({ quantity: 17.5, usd: 17.5 * 0.023 });
    expect(deployed.month.lines.find(({ what }) => what === 'secrets')).toMatchObject({ quantity: 1, usd: 0.4 });
    expect(deployed.month.usd).toBeCloseTo(
      deployed.month.lines.reduce((sum, { usd }) => sum + usd, 0),
      9,
    );
    expect(deployed.limits.every(({ fits }) => fits)).toBe(true);
    expect(deployed.notCounted.map(({ what }) => what)).toContain('drills');
  });

  it('is that of the last backup and the last drill, where the source cannot be asked from here', async () => {
    await open('unreachable');
    await putBackup(cloud.store);
    for (const [task, part] of [
      [0, 0],
      [0, 1],
      [1, 0],
    ] as const)
      await cloud.store.create(receiptKey('catalog', ID, 'dump', task, part), Buffer.from('{}'));
    await putProof(cloud.store, proof('PASSED'));
    const ran = await cloud.run(['plan', 'catalog', '--json']);
    expect(ran.json()).toMatchObject({
      tasks: 2,
      facts: { product: 'PostgreSQL', version: '18.4' },
      deployed: { basis: `as backup ${ID}; the source was not asked: ConnectionRefused: db.internal refuses` },
    });
    expect(deployedOf(ran.json()).month.lines.map(({ what }) => what)).toContain('drills: compute');
    expect((await cloud.run(['plan', 'catalog'])).out).toMatch(
      /A MONTH +QUANTITY +UNIT +USD\n[\s\S]*together +\d+\.\d{4}\n[\s\S]*not counted:/,
    );
  });

  it('fails where nothing is known', async () => {
    await open('unreachable');
    expect(await cloud.run(['plan', 'catalog'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/refuses; and there is no backup of catalog to plan by\nhint: Is it up\? Make the first backup/),
    });
  });

  it('says what does not fit', async () => {
    await open(1e12);
    const { out } = await cloud.run(['plan', 'catalog']);
    expect(out).toMatch(/children of the Map run +14,902 +10,000 +tasks +too much\. Larger chunks/);
  });
});
