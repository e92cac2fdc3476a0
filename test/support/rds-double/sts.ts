/** STS, as far as a role of another account is taken. */
import { randomBytes } from 'node:crypto';
import { type Fields, type Form, RdsError } from './query.ts';
import type { Caller } from './state.ts';

/** A role of another account, and what its trust policy asks for. */
export interface TrustingRole {
  readonly externalId?: string;
  /** Actions that its policy does not allow. */
  readonly denies?: readonly string[];
}

export interface Sts {
  /** By ARN. */
  readonly roles: Map<string, TrustingRole>;
  /** Undefined for an action that is not of STS. */
  answer(caller: Caller, form: Form): Fields | undefined;
  /** Of a request with a session's key: the account of its role. Fails when the token is none that was given out. */
  accountOf(key: string, token: string | undefined, action: string): string | undefined;
}

const HOUR_MS = 3_600_000;

export const openSts = (): Sts => {
  const roles = new Map<string, TrustingRole>();
  const sessions = new Map<string, { readonly token: string; readonly role: string }>();
  const assume = (caller: Caller, form: Form): Fields => {
    const arn = form.need('RoleArn');
    const role = roles.get(arn);
    if (role === undefined || (role.externalId !== undefined && role.externalId !== form.text('ExternalId')))
      throw new RdsError(
        'AccessDenied',
        403,
        `User: arn:aws:iam::${caller.account}:user/x is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
      );
    const key = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
    const token = randomBytes(24).toString('base64');
    sessions.set(key, { token, role: arn });
    return {
      Credentials: { AccessKeyId: key, SecretAccessKey: 'x', SessionToken: token, Expiration: new Date(Date.now() + HOUR_MS) },
      AssumedRoleUser: {
        AssumedRoleId: 'AROA:lifeboat',
        Arn: `${arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/lifeboat`,
      },
    };
  };
  return {
    roles,
    answer(caller, form) {
      if (form.action === 'AssumeRole') return assume(caller, form);
      if (form.action !== 'GetCallerIdentity') return undefined;
      return { UserId: 'AIDA', Account: caller.account, Arn: `arn:aws:iam::${caller.account}:user/x` };
    },
    accountOf(key, token, action) {
      const session = sessions.get(key);
      if (session === undefined) return undefined;
      if (session.token !== token)
        throw new RdsError('InvalidClientTokenId', 403, 'The security token included in the request is invalid.');
      if (roles.get(session.role)?.denies?.includes(action) === true)
        throw new RdsError('AccessDenied', 403, `${session.role} is not authorized to perform: rds:${action}`);
      return session.role.split(':')[4];
    },
  };
};
