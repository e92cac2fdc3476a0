import { scratchKey } from '../../../src/backup/layout.ts';
import { acquireLease } from '../../../src/backup/lease.ts';
import { createJson } from '../../../src/backup/objects.ts';
import { catalogue } from './catalogue.ts';
import { type Deployed, startDeployed } from './deployed.ts';
import { ACCOUNT, REGION } from './template.ts';

/** The source of the example. */
export const SOURCE = 'catalog-prod';

export interface Everything extends Deployed {
  /** What Secrets Manager answers to every secret of the source. */
  readonly password: string;
}

const secretArn = (name: string): string => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:lifeboat/${name}`;
export const SECRETS = {
  source: secretArn('catalog-prod-AbCdEf'),
  scratch: secretArn('drills-GhIjKl'),
  target: secretArn('standby-MnOpQr'),
};

/** The example with a real database. */
export const startEverything = async (): Promise<Everything> => {
  const databases = await catalogue();
  const { password } = databases;
  const secrets = new Map(Object.values(SECRETS).map((arn) => [arn, password]));
  const deployed = await startDeployed(databases.environment(), { secrets });
  // A webhook that refuses: nothing of the tests leaves this machine.
  secrets.set(secretArn('slack-AbCdEf'), `${deployed.services.endpoint}/t0ken`);
  return {
    ...deployed,
    password,
    async stop() {
      await deployed.stop();
      await databases.drop();
    },
  };
};

const gone = (machine: string): string => `arn:aws:states:${REGION}:${ACCOUNT}:execution:example-${SOURCE}-${machine}:gone`;

/** What executions that were killed leave behind: a lease, and a scratch target that was never made. */
export const leaveWreckage = async ({ control }: Everything): Promise<void> => {
  await acquireLease(control, {
    source: SOURCE,
    execution: gone('backup'),
    expiresAt: new Date(Date.now() + 3_600_000),
    now: new Date(),
    ownerState: async () => 'unknown',
  });
};

export const leaveScratch = async ({ control }: Everything, drill: string): Promise<void> => {
  await createJson(control, scratchKey(SOURCE, drill), {
    name: 'lifeboat_drill_gone',
    target: 'drills',
    drill,
    owner: gone('drill'),
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  });
};
