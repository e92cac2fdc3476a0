import { z } from 'zod';
import { type ErrorCode, LifeboatError } from '../../errors.ts';
import { parseIfJson } from '../../json.ts';
import type { InstanceAddress } from './address.ts';
import type { Answer } from './client.ts';

const ErrorSchema = z.object({ message: z.string(), code: z.string() });

interface Known {
  readonly code: ErrorCode;
  readonly hint: string;
}

const KEY_HINT = 'Give the master key, or a key with the action "*", as apiKey of the source, or in MEILI_MASTER_KEY.';

const KNOWN: Readonly<Record<string, Known>> = {
  missing_authorization_header: { code: 'LoginFailed', hint: KEY_HINT },
  invalid_api_key: { code: 'LoginFailed', hint: `${KEY_HINT} The server says the same of a wrong key and of one without the right.` },
  missing_master_key: { code: 'PermissionDenied', hint: 'The instance runs without a master key, so it has no API keys.' },
  too_many_search_requests: { code: 'SourceBusy', hint: 'Its search queue is full: back up when it is less busy.' },
  payload_too_large: { code: 'TargetProblem', hint: 'Raise --http-payload-size-limit of the instance.' },
  no_space_left_on_device: { code: 'TargetFull', hint: 'Make room where the instance keeps its data.' },
};

/** Lower bound of the statuses by which a server says that it cannot now. */
const UNAVAILABLE = new Set([429, 502, 503, 504]);

/** What the server said, by its own name for it. The key is in no message. */
export const errorOf = (address: InstanceAddress, method: string, path: string, { status, bytes }: Answer): LifeboatError => {
  const said = ErrorSchema.safeParse(parseIfJson(bytes.toString('utf8')));
  const what = `${method} ${path} at ${address.url}`;
  if (!said.success)
    return new LifeboatError(UNAVAILABLE.has(status) ? 'ConnectionLost' : 'SourceProblem', `${what} answered ${status}`, {
      hint: 'This is not an answer of Meilisearch: check the URL, and what is before the instance.',
    });
  const known = KNOWN[said.data.code] ?? { code: UNAVAILABLE.has(status) ? 'SourceBusy' : 'SourceProblem', hint: '' };
  return new LifeboatError(known.code, `${what}: ${said.data.code}: ${said.data.message.replace(/\.$/, '')}`, { hint: known.hint });
};

const REFUSED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN']);

export const requestFailed = (
  address: InstanceAddress,
  method: string,
  path: string,
  cause: unknown,
  signal: AbortSignal | undefined,
): unknown => {
  if (signal?.aborted === true) return signal.reason;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (REFUSED.has(code) || /^(CERT_|ERR_TLS|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/.test(code))
    return new LifeboatError('ConnectionRefused', `cannot reach ${address.url}: ${code}`, {
      hint: 'Is the instance running? While it imports a dump its port is closed.',
      cause,
    });
  return new LifeboatError(
    'ConnectionLost',
    `${method} ${path} at ${address.url} broke off: ${cause instanceof Error ? cause.message : code}`,
    {
      hint: 'The instance may have been restarted.',
      cause,
    },
  );
};
