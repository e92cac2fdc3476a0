import { z } from 'zod';
import type { Finding, PlanResult } from '../../cli/engine.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { asked, clientOptions } from '../clients.ts';
import { type Deployed, functionArn } from '../machine.ts';
import { bad, examined, good } from './finding.ts';

const FindingSchema = z.object({ what: z.string(), ok: z.boolean(), message: z.string(), hint: z.string() });
const FactsSchema = z.object({
  product: z.string(),
  version: z.string(),
  place: z.string(),
  content: z.string(),
  bytes: z.number(),
  problems: z.array(z.object({ code: z.string(), message: z.string(), hint: z.string() })),
});
const ProbedSchema = z.object({ findings: z.array(FindingSchema), facts: FactsSchema.nullable() });
type Probed = z.infer<typeof ProbedSchema>;

const ErrorSchema = z.object({ errorType: z.string().optional(), errorMessage: z.string().optional() });

/** What the deployed functions reach, from inside. */
export const probes = async (deployed: Deployed, source: string): Promise<readonly Finding[]> => [
  ...(await examined(`source ${source}, from inside`, async () => told(source, await probe(deployed, source, 'probe-source')))),
  ...(await examined(`targets of ${source}, from inside`, async () => told(source, await probe(deployed, source, 'probe-target')))),
];

const told = (source: string, { findings }: Probed): Finding[] =>
  findings.map(({ what, ok, message, hint }) => {
    const name = what.includes(source) ? what : `${what}, for ${source}`;
    return ok ? good(name, message) : bad(name, message, hint);
  });

/** Asks a source where it stands. Fails with what the function met. */
export const factsFromInside = async (deployed: Deployed, source: string): Promise<PlanResult['facts']> => {
  const { facts, findings } = await probe(deployed, source, 'probe-source');
  if (facts !== null) return facts;
  const broken = findings.find(({ ok }) => !ok);
  throw new LifeboatError('ConnectionLost', broken?.message ?? `source ${source} did not answer`, { hint: broken?.hint ?? '' });
};

const probe = async (deployed: Deployed, source: string, step: 'probe-source' | 'probe-target'): Promise<Probed> => {
  const { InvokeCommand, LambdaClient } = await import('@aws-sdk/client-lambda');
  const arn = functionArn(deployed, source, step);
  const { requestHandler, ...options } = clientOptions(deployed.deployment);
  // A function in a VPC starts slowly, and waits for what does not answer.
  const client = new LambdaClient({ ...options, requestHandler: { ...requestHandler, requestTimeout: 120_000 } });
  try {
    const deed = { action: 'lambda:InvokeFunction', resource: arn, region: deployed.deployment.region };
    const request = new InvokeCommand({ FunctionName: arn, Payload: Buffer.from(JSON.stringify({ source })) });
    const { Payload, FunctionError } = await asked(deed, undefined, () => client.send(request));
    const answer = parsed(Buffer.from(Payload ?? []).toString('utf8'));
    if (FunctionError !== undefined) {
      const { errorType = FunctionError, errorMessage = '' } = ErrorSchema.catch({}).parse(answer);
      throw new LifeboatError('SourceProblem', `${step} failed: ${errorType}: ${errorMessage}`, {
        hint: `See the log group of ${source}.`,
      });
    }
    return ProbedSchema.parse(answer);
  } finally {
    client.destroy();
  }
};

const parsed = (text: string): unknown => {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new LifeboatError('Unsupported', 'a function answered no JSON', { hint: 'Deploy again: is it an older version?', cause });
  }
};
