import { describe, expect, it } from 'vitest';
import { readAll } from '../../src/backup/objects.ts';
import { decodeProof } from '../../src/backup/proof.ts';
import type { Proof } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import { openSystem, SOURCE, type System } from '../support/system.ts';

const proofOf = async (system: System): Promise<Proof> => {
  for await (const { key } of system.store.list(`${SOURCE}/proofs/`))
    if (key.endsWith('.json')) return decodeProof((await readAll(system.store, key)) ?? new Uint8Array());
  throw new Error('there is no proof');
};

/** Every invocation of a step fails, for no reason that has to do with the backup. */
const failingAt = (broken: string): System =>
  openSystem({
    behaviour: { segmentMs: 2000 },
    around: async (step, _payload, call) => {
      if (step === broken) throw new LifeboatError('PermissionDenied', `${broken} may not`);
      return call();
    },
  });

describe('a drill whose audit broke off', () => {
  it('keeps the time that the restore took, and says why nothing was audited', async () => {
    const system = failingAt('audit-task');
    await system.run('backup');
    expect((await system.run('drill')).outcome).toMatchObject({ status: 'FAILED', error: 'NotMeasured' });
    const proof = await proofOf(system);
    expect(proof).toMatchObject({
      verdict: 'NOT_MEASURED',
      control: null,
      failure: expect.any(Object),
      why: expect.stringMatching(/never drilled, of 1 backup/),
    });
    expect(proof.phases.map(({ name }) => name)).toContain('load');
    expect(proof.phases.map(({ name }) => name)).not.toContain('audit');
    expect(proof.rtoSeconds).toBeCloseTo(
      proof.phases.reduce((sum, { seconds }) => sum + seconds, 0),
      3,
    );
    expect(proof.rtoSeconds).toBeGreaterThan(1);
    expect(proof.notMeasured.map(({ what }) => what)).not.toContain('the time to restore');
  });

  it('has no such time when it broke off before the audit', async () => {
    const system = failingAt('load-task');
    await system.run('backup');
    await system.run('drill');
    expect(await proofOf(system)).toMatchObject({ verdict: 'NOT_MEASURED', rtoSeconds: null, phases: [] });
  });
});
