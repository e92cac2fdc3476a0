import type { SoundEntry } from '../backup/catalog.ts';
import { LifeboatError } from '../errors.ts';
import type { Call } from './command.ts';
import { verifyStored } from './verify-backup.ts';

/** Removes what a backup was made of, after every byte of that backup was read again; answers what was removed. */
export const removeBackedUp = async (call: Call, entry: SoundEntry): Promise<string> => {
  const engine = await call.engine();
  if (engine.removeSource === undefined)
    throw new LifeboatError('Unsupported', `the source of backup ${entry.backup} is out of reach from here, and was not removed`, {
      hint: 'Remove it where it is, once `lifeboat verify` is content with the backup.',
    });
  const { damages, notMeasured } = await verifyStored(entry, call, false);
  const [unseen] = notMeasured;
  if (unseen !== undefined)
    throw new LifeboatError(
      'NotMeasured',
      `${unseen.what} of backup ${entry.backup} was not verified (${unseen.why}); nothing was removed`,
    );
  const [first] = damages;
  if (first !== undefined)
    throw new LifeboatError(
      'SegmentMismatch',
      `backup ${entry.backup} of ${entry.source} is damaged (${first.key}: ${first.message}); nothing was removed`,
      {
        hint: 'See `lifeboat verify`. Back up again.',
      },
    );
  return engine.removeSource({ source: entry.source, backup: entry.backup }, call.run);
};
