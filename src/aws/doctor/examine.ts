import type { SFNClient } from '@aws-sdk/client-sfn';
import type { Finding } from '../../cli/engine.ts';
import type { Deployed } from '../machine.ts';
import { concurrency, identity, machines } from './account.ts';
import { buckets } from './buckets.ts';
import { key } from './key.ts';
import { network } from './network.ts';
import { probes } from './probes.ts';

/** Looks at everything that fails people on their first day on AWS. Changes nothing. */
export const examine = async (deployed: Deployed, client: SFNClient): Promise<readonly Finding[]> => {
  const who = await identity(deployed);
  // With the credentials of nobody, or of another account, every other answer would be misleading.
  if (who.some(({ state }) => state === 'failed')) return who;
  const stored = await buckets(deployed);
  const findings = [...who, ...(await machines(deployed, client)), ...stored.findings, ...(await key(deployed, stored.key))];
  findings.push(...(await network(deployed)), ...(await concurrency(deployed)));
  for (const source of Object.keys(deployed.environment.sources)) findings.push(...(await probes(deployed, source)));
  return findings;
};
