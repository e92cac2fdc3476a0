import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { z } from 'zod';
import type { BucketPlace } from '../../../infra/deployable.ts';
import type { Json } from '../../../src/backup/types.ts';
import { startMinistack } from '../../support/ministack.ts';
import { taskVariables } from './functions.ts';
import { ACCOUNT, type Cloud, REGION } from './template.ts';

/**
 * S3, Secrets Manager and Lambda of ministack, an emulator that others wrote. It unpacks the asset that is deployed and runs
 * `<step>.handler` of it in a process of Node for each function, as its settings in the template say.
 */
export interface Emulator {
  readonly endpoint: string;
  /** Answers the ARN that the emulator gave it. */
  createSecret(name: string, value: string): Promise<string>;
  createBucket(place: BucketPlace): Promise<void>;
  /** All functions of these names, out of one asset. */
  createFunctions(cloud: Cloud, folder: string, names: readonly string[], env: Readonly<Record<string, string>>): Promise<void>;
  /** By Lambda's Invoke API. Rejects with an error of the name that the function's error has. */
  invoke(name: string, payload: Json): Promise<Json>;
  /** What CloudWatch Logs has of it. */
  readonly logs: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/** Credentials are not looked at; an access key of twelve digits says whose account is meant. */
const CREDENTIALS = { accessKeyId: ACCOUNT, secretAccessKey: 'test' };

const ASSETS = 'cdk-assets';
const ASSET = 'asset.zip';

const run = promisify(execFile);

export const startEmulator = async (path: string): Promise<Emulator> => {
  // It takes the `node` that it finds first.
  const server = await startMinistack(path, { PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` });
  const options = { endpoint: server.url, region: REGION, credentials: CREDENTIALS };
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  const secrets = new SecretsManagerClient(options);
  const logs = new Map<string, string>();

  const lambda = async (way: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(`${server.url}/2015-03-31/functions${way}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `AWS4-HMAC-SHA256 Credential=${ACCOUNT}/20261121/${REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0`,
        ...headers,
      },
      body: JSON.stringify(body),
    });

  const createFunction = async (cloud: Cloud, name: string, env: Readonly<Record<string, string>>): Promise<void> => {
    const deployed = cloud.functions.get(name);
    if (deployed === undefined) throw new Error(`there is no function ${name}`);
    const { settings, role } = deployed;
    const response = await lambda('', {
      ...settings,
      Environment: { Variables: { ...taskVariables(settings.Environment.Variables), ...env } },
      FunctionName: name,
      Role: `arn:aws:iam::${ACCOUNT}:role/${role}`,
      Code: { S3Bucket: ASSETS, S3Key: ASSET },
    });
    if (!response.ok) throw new Error(`${name} was not made: ${response.status} ${await response.text()}`);
  };

  return {
    endpoint: server.url,
    logs,
    async createSecret(name, value) {
      const { ARN } = await secrets.send(new CreateSecretCommand({ Name: name, SecretString: value }));
      return z.string().parse(ARN);
    },
    async createBucket({ bucket: Bucket, objectLock }) {
      await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: objectLock !== undefined }));
      await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
      if (objectLock === undefined) return;
      const DefaultRetention = { Mode: objectLock.mode, Days: objectLock.days };
      await s3.send(
        new PutObjectLockConfigurationCommand({
          Bucket,
          ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } },
        }),
      );
    },
    async createFunctions(cloud, folder, names, env) {
      const zip = join(dirname(folder), ASSET);
      await run('python3', ['-m', 'zipfile', '-c', zip, '.'], { cwd: folder });
      await s3.send(new CreateBucketCommand({ Bucket: ASSETS }));
      await s3.send(new PutObjectCommand({ Bucket: ASSETS, Key: ASSET, Body: await readFile(zip) }));
      for (const name of names) await createFunction(cloud, name, env);
    },
    async invoke(name, payload) {
      const response = await lambda(`/${name}/invocations`, payload, { 'x-amz-log-type': 'Tail' });
      const log = Buffer.from(response.headers.get('x-amz-log-result') ?? '', 'base64').toString();
      logs.set(name, (logs.get(name) ?? '') + log);
      const body: unknown = await response.json();
      if (!response.ok) throw new Error(`${name} was not called: ${response.status} ${JSON.stringify(body)}`);
      if (response.headers.has('x-amz-function-error')) throw failureIn(body, log);
      return z.json().parse(body);
    },
    async stop() {
      s3.destroy();
      secrets.destroy();
      await server.stop();
    },
  };
};

const Failed = z.object({ errorMessage: z.string() });

/** The emulator says Runtime.HandlerError of everything that Node throws; the name is in the trace that it logs. */
const failureIn = (body: unknown, log: string): Error => {
  const { errorMessage } = Failed.parse(body);
  const at = log.lastIndexOf(`: ${errorMessage}`);
  const name = at < 0 ? undefined : /[\w.]+$/.exec(log.slice(0, at))?.[0];
  return Object.assign(new Error(errorMessage), { name: name ?? 'Runtime.HandlerError' });
};
