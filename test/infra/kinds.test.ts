import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Need } from './cloud/needs.ts';
import { decide } from './cloud/simulate.ts';
import { cloudOf } from './cloud/template.ts';
import { synthesized } from './support.ts';

const cloud = cloudOf(synthesized());
const Policy = z.object({
  Statement: z.array(z.object({ Sid: z.string().optional(), Action: z.union([z.string(), z.array(z.string())]) })),
});

const rds = (resource: string): string => `arn:aws:rds:eu-central-1:123456789012:${resource}`;
const need = (by: string, action: string, resource: string, context: Need['context'] = {}): Need => ({ by, action, resource, context });

describe('the roles of every source', () => {
  it('are within the size that IAM allows', () => {
    const sizes = [...cloud.roles].map(([name, policies]) => [name, JSON.stringify(policies.map(({ policy }) => policy)).length] as const);
    expect(sizes.filter(([, size]) => size > 10_240)).toEqual([]);
    expect(sizes.length).toBeGreaterThan(70);
  });

  it('allow RDS to sources and targets of that kind only', () => {
    const withRds = [...cloud.roles].filter(([, policies]) =>
      policies.some(({ policy }) =>
        Policy.parse(policy).Statement.some(({ Action }) => [Action].flat().some((action) => action.startsWith('rds:'))),
      ),
    );
    expect(withRds.map(([name]) => name).sort()).toEqual(
      ['planner', 'holder', 'dumper', 'pruner', 'restorer', 'auditor', 'driller', 'janitor']
        .map((purpose) => `example-warehouse-${purpose}`)
        .sort(),
    );
  });

  it('allow no instance to be deleted but those of drills and clones', async () => {
    const remove = (purpose: string, instance: string) =>
      decide(cloud, need(`example-warehouse-${purpose}`, 'rds:DeleteDBInstance', rds(`db:${instance}`)));
    expect(await remove('driller', 'lifeboat-drill-20261121t030000z-91bc')).toBe('Allowed');
    expect(await remove('janitor', 'lifeboat-clone-20261121t030000z-91bc')).toBe('Allowed');
    for (const purpose of ['planner', 'holder', 'dumper', 'pruner', 'restorer', 'auditor', 'driller', 'janitor'])
      expect([purpose, await remove(purpose, 'warehouse')]).toEqual([purpose, 'ImplicitlyDenied']);
  });

  it('allow the pruner to delete snapshots of backups, and no others', async () => {
    const remove = (purpose: string, snapshot: string) =>
      decide(cloud, need(`example-warehouse-${purpose}`, 'rds:DeleteDBSnapshot', rds(`snapshot:${snapshot}`)));
    expect(await remove('pruner', 'lifeboat-warehouse-20261121t030000z-91bc')).toBe('Allowed');
    expect(await remove('pruner', 'before-the-migration')).toBe('ImplicitlyDenied');
    expect(await remove('holder', 'lifeboat-warehouse-20261121t030000z-91bc')).toBe('ImplicitlyDenied');
  });

  it('let a drill of a lake read the lake and write only where drills do', async () => {
    const object = (purpose: string, action: string, key: string) =>
      decide(cloud, need(`example-lake-${purpose}`, `s3:${action}`, `arn:aws:s3:::${key}`));
    expect(await object('dumper', 'GetObject', 'acme-lake/analytics/data/x')).toBe('Allowed');
    expect(await object('restorer', 'PutObject', 'acme-lake-drills/lifeboat/data/x')).toBe('Allowed');
    expect(await object('driller', 'DeleteObject', 'acme-lake-drills/lifeboat/data/x')).toBe('Allowed');
    for (const purpose of ['planner', 'holder', 'dumper', 'sealer', 'pruner', 'restorer', 'auditor', 'driller', 'janitor'])
      for (const action of ['PutObject', 'DeleteObject'])
        expect([purpose, action, await object(purpose, action, 'acme-lake/analytics/data/x')]).toEqual([
          purpose,
          action,
          'ImplicitlyDenied',
        ]);
  });

  it('let no source read the secret of another', async () => {
    const secrets = {
      'catalog-prod': 'catalog-prod-AbCdEf',
      'catalog-mysql': 'catalog-mysql-AbCdEf',
      lake: 'lake-AbCdEf',
      search: 'search-AbCdEf',
    };
    for (const role of cloud.roles.keys())
      for (const [owner, secret] of Object.entries(secrets)) {
        const decision = await decide(
          cloud,
          need(role, 'secretsmanager:GetSecretValue', `arn:aws:secretsmanager:eu-central-1:123456789012:secret:lifeboat/${secret}`),
        );
        const may = ['planner', 'holder', 'dumper'].map((purpose) => `example-${owner}-${purpose}`).includes(role);
        expect([role, secret, decision]).toEqual([role, secret, may ? 'Allowed' : 'ImplicitlyDenied']);
      }
  }, 60_000);
});
