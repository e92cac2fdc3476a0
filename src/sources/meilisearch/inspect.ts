import { access } from 'node:fs/promises';
import { LifeboatError } from '../../errors.ts';
import type { Facts, Problem, Services } from '../contract.ts';
import { type InstanceAddress, placeOf } from './address.ts';
import { indexesOf, keysOf, statsOf, versionOf } from './api.ts';
import { type Client, withClient } from './client.ts';
import { MARKER_INDEX } from './marker.ts';

/** Version from which the API is the one that is read here: tasks are global, and documents can be fetched with vectors. */
const OLDEST = [1, 9] as const;

export const inspectSource = (address: InstanceAddress, services: Services): Promise<Facts> =>
  withClient(address, services, undefined, (client) => inspectInstance(client));

/** Version, size, and every problem that would stop a backup. Changes nothing. */
export const inspectInstance = async (client: Client): Promise<Facts> => {
  const version = await versionOf(client);
  const stats = await statsOf(client);
  return {
    product: 'Meilisearch',
    version,
    place: placeOf(client.address),
    content: 'instance',
    bytes: stats.databaseSize,
    problems: (await Promise.all([olderThan(version), keyProblem(client), markerProblem(client), directoryProblem(client.address)])).flat(),
  };
};

const olderThan = (version: string): Problem[] => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return [];
  return [
    {
      code: 'VersionUnsupported',
      message: `Meilisearch ${version} is older than ${OLDEST.join('.')}`,
      hint: 'Make a dump with POST /dumps, and upgrade it with "lifeboat upgrade <file.dump> --out <file.dump>".',
    },
  ];
};

/** A backup without the API keys would look whole and lock every application out. */
const keyProblem = async (client: Client): Promise<Problem[]> => {
  try {
    await keysOf(client);
    return [];
  } catch (error) {
    if (!(error instanceof LifeboatError && error.code === 'LoginFailed')) throw error;
    return [{ code: 'PermissionDenied', message: 'this key may not read the API keys of the instance', hint: error.hint }];
  }
};

const markerProblem = async (client: Client): Promise<Problem[]> =>
  (await indexesOf(client)).some(({ uid }) => uid === MARKER_INDEX)
    ? [
        {
          code: 'UnfinishedRestore',
          message: `the instance holds a restore that did not end, or is the scratch instance of a drill (index ${MARKER_INDEX})`,
          hint: 'Finish or repeat that restore first; what is there now is not the whole of anything.',
        },
      ]
    : [];

const directoryProblem = async ({ mode, dumpDirectory }: InstanceAddress): Promise<Problem[]> => {
  if (mode !== 'server') return [];
  if (dumpDirectory === undefined)
    return [
      {
        code: 'DumpDirectoryMissing',
        message: 'mode server needs dumpDirectory',
        hint: 'It is the --dump-dir of the instance, as it is mounted here.',
      },
    ];
  return access(dumpDirectory).then(
    () => [],
    () => [
      {
        code: 'DumpDirectoryMissing',
        message: `the dump directory ${dumpDirectory} is not here`,
        hint: 'Mount the --dump-dir of the instance.',
      },
    ],
  );
};
