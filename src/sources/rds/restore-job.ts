import { BackupClient, PutRestoreValidationResultCommand } from '@aws-sdk/client-backup';
import { sent } from './sent.ts';

/** Characters that AWS Backup is told. */
const MESSAGE_MAX = 1000;

/** Tells AWS Backup how what a job of its restore testing made was found; it then deletes it. */
export const validate = async (
  region: string,
  job: string,
  { ok, message }: { readonly ok: boolean; readonly message: string },
): Promise<void> => {
  const client = new BackupClient({ region });
  const command = new PutRestoreValidationResultCommand({
    RestoreJobId: job,
    ValidationStatus: ok ? 'SUCCESSFUL' : 'FAILED',
    ValidationStatusMessage: message.slice(0, MESSAGE_MAX),
  });
  try {
    await sent(`handing the result of job ${job} to AWS Backup`, () => client.send(command));
  } finally {
    client.destroy();
  }
};
