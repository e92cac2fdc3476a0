import { SFNClient } from '@aws-sdk/client-sfn';
import type { Deployment } from '../environment/deployment.ts';
import { callError, type Deed } from './errors.ts';

/** Of an answer, in milliseconds. */
const ANSWER_MS = 30_000;

/** The SDK tries three times, or AWS_MAX_ATTEMPTS; what is throttled after that, whoever follows an execution asks later. */
export const clientOptions = ({ region }: Pick<Deployment, 'region'>) => ({
  region,
  requestHandler: { connectionTimeout: 5_000, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true },
});

export const stepFunctions = (deployment: Pick<Deployment, 'region'>): SFNClient => new SFNClient(clientOptions(deployment));

/** Sends a request; its failures become our errors, and an abort the signal's reason. */
export const asked = async <T>(deed: Deed, signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> => {
  try {
    return await request();
  } catch (error) {
    signal?.throwIfAborted();
    throw callError(error, deed);
  }
};
