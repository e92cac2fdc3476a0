import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import { sent } from './sent.ts';

/** A role that calls are made with in place of Lifeboat's own. */
export interface Role {
  readonly arn: string;
  readonly externalId?: string | undefined;
}

/** Shows in CloudTrail of the other account. */
const SESSION = 'lifeboat';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

/** Credentials of the role, asked for anew by the SDK before they expire. Fails with PermissionDenied when the role does not let in. */
export const assumed =
  ({ arn, externalId }: Role, region: string | undefined): (() => Promise<Credentials>) =>
  async () => {
    const client = stsAt(region);
    try {
      const command = new AssumeRoleCommand({
        RoleArn: arn,
        RoleSessionName: SESSION,
        ...(externalId === undefined ? {} : { ExternalId: externalId }),
      });
      const { Credentials: given } = await sent(`taking the role ${arn}`, () => client.send(command)).catch(explained);
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = given ?? {};
      if (AccessKeyId === undefined || SecretAccessKey === undefined || SessionToken === undefined || Expiration === undefined)
        throw new LifeboatError('LoginFailed', `STS gave no credentials of the role ${arn}`);
      return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken, expiration: Expiration };
    } finally {
      client.destroy();
    }
  };

/** The number of the account whose credentials these are; anybody may ask. */
export const callerAccount = async (region: string | undefined): Promise<string> => {
  const client = stsAt(region);
  try {
    const { Account } = await sent('asking STS for the account', () => client.send(new GetCallerIdentityCommand({})));
    if (Account === undefined) throw new LifeboatError('LoginFailed', 'STS names no account for these credentials');
    return Account;
  } finally {
    client.destroy();
  }
};

const stsAt = (region: string | undefined): STSClient => new STSClient(region === undefined ? {} : { region });

/** It takes both sides: what Lifeboat's role may do, and whom the other role lets in. */
const explained = (error: unknown): never => {
  if (!isLifeboatError(error, 'PermissionDenied')) throw error;
  throw new LifeboatError('PermissionDenied', error.message, {
    hint: "Its trust policy must name Lifeboat's account or roles (and the external id), and Lifeboat's roles need sts:AssumeRole on it.",
    cause: error.cause,
  });
};
