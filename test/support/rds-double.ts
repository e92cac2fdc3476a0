import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { auroraOperations } from './rds-double/aurora.ts';
import { type Cluster, endCluster, makeCluster, newPassword, removeFolder } from './rds-double/clusters.ts';
import { deleteInstance, describeInstances, forgetDeleted, modifyInstance, restoreInstance } from './rds-double/instances.ts';
import { answer, type Fields, type Form, parseForm, RdsError, refusal } from './rds-double/query.ts';
import { copySnapshot, createSnapshot, deleteSnapshot, describeExports, describeSnapshots, shareSnapshot } from './rds-double/snapshots.ts';
import { arnOf, type Caller, type Durations, type Instance, keyOf, type State } from './rds-double/state.ts';
import { timeline } from './rds-double/status.ts';
import { openSts, type Sts } from './rds-double/sts.ts';

/**
 * RDS as far as its clients can see, over the AWS Query protocol, with real PostgreSQL behind it: an instance is a running cluster,
 * a snapshot is a copy of its data folder, a restore is a new cluster on a new port. Statuses change with a clock, never at once.
 * It answers Secrets Manager's GetSecretValue, too, for the passwords that it manages, STS, and AWS Backup's validations. Signatures are not looked at, but for
 * the region and the access key, which names the account, or the session of a role.
 */
export interface RdsDouble {
  readonly endpoint: string;
  readonly state: State;
  /** Of Aurora: clusters as its instances, and their snapshots. */
  readonly clusters: State;
  /** Every action that arrived, with the region it came to, in order. */
  readonly seen: {
    readonly action: string;
    readonly region: string;
    readonly account: string;
    readonly body: string;
    readonly form: Form;
  }[];
  /** Roles of other accounts that let Lifeboat in. */
  readonly roles: Sts['roles'];
  /** The next request of this action fails with this; `times` of them. */
  fail(action: string, error: RdsError, times?: number): void;
  /** What the next snapshot or instance that this action makes comes to, in place of `available`. */
  endWith(action: string, status: string): void;
  addInstance(id: string, options?: InstanceOptions): Promise<AddedInstance>;
  /** By name, in the account and region of the defaults. */
  instance(id: string): Instance | undefined;
  stop(): Promise<void>;
}

export interface InstanceOptions {
  readonly dbName?: string;
  readonly kmsKey?: string;
  readonly region?: string;
  /** An Aurora cluster with one instance, `<id>-1`. */
  readonly aurora?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
  /** Without a server behind it: for what only asks RDS. */
  readonly hollow?: boolean;
}

export interface AddedInstance {
  /** Of the master user on the database `postgres`, with the password. */
  readonly url: string;
  readonly port: number;
}

export interface RdsDoubleOptions {
  /** Milliseconds. */
  readonly now?: () => number;
  readonly durations?: Partial<Durations>;
}

export const REGION = 'eu-central-1';
export const ACCOUNT = '123456789012';
/** Access keys of other accounts are `account-<number>`. */
const ACCOUNT_KEY = /^account-(\d{12})$/;

const DURATIONS: Durations = { snapshot: 50, copy: 50, restore: 50, rebooting: 20, pending: 20, credentials: 20, deleting: 20, export: 50 };

type Operation = (state: State, caller: Caller, form: Form) => Fields;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  DescribeDBInstances: describeInstances,
  RestoreDBInstanceFromDBSnapshot: restoreInstance,
  ModifyDBInstance: modifyInstance,
  DeleteDBInstance: deleteInstance,
  CreateDBSnapshot: createSnapshot,
  DescribeDBSnapshots: describeSnapshots,
  CopyDBSnapshot: copySnapshot,
  DeleteDBSnapshot: deleteSnapshot,
  ModifyDBSnapshotAttribute: shareSnapshot,
  DescribeExportTasks: describeExports,
};

export const startRdsDouble = async (options: RdsDoubleOptions = {}): Promise<RdsDouble> => {
  const state: State = {
    kind: 'db',
    now: options.now ?? (() => Date.now()),
    durations: { ...DURATIONS, ...options.durations },
    instances: new Map(),
    snapshots: new Map(),
    exports: new Map(),
    secrets: new Map(),
    validations: new Map(),
    closedKeys: new Set(),
    snapshotQuota: 100,
    endings: new Map(),
  };
  const clusters: State = { ...state, kind: 'cluster', instances: new Map(), snapshots: new Map() };
  const aurora = auroraOperations(clusters);
  const sts = openSts();
  const seen: RdsDouble['seen'] = [];
  const faults: { action: string; error: RdsError }[] = [];
  const folders = new Set<string>();
  const sockets = new Set<Socket>();

  const run = (request: IncomingMessage, body: string): string => {
    const form = parseForm(body);
    const caller = callerOf(request, form, sts);
    seen.push({ action: form.action, ...caller, body, form });
    const identity = sts.answer(caller, form);
    if (identity !== undefined) return answer(form.action, identity, 'https://sts.amazonaws.com/doc/2011-06-15/');
    forgetDeleted(state);
    forgetDeleted(clusters);
    const fault = faults.findIndex(({ action }) => action === form.action);
    if (fault >= 0) throw faults.splice(fault, 1)[0]?.error;
    const operation = OPERATIONS[form.action] ?? aurora[form.action];
    if (operation === undefined) throw new RdsError('InvalidAction', 400, `${form.action} is not part of this double`);
    const result = operation(state, caller, form);
    for (const { folder } of state.snapshots.values()) if (folder !== undefined) folders.add(folder);
    return answer(form.action, result);
  };

  const http = createServer((request, response) => {
    void respond(request, response, run, state);
  });
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;

  return {
    endpoint: `http://127.0.0.1:${port}`,
    state,
    clusters,
    seen,
    roles: sts.roles,
    fail(action, error, times = 1) {
      for (let count = 0; count < times; count++) faults.push({ action, error });
    },
    endWith: (action, status) => void state.endings.set(action, status),
    async addInstance(id, { dbName, kmsKey, region = REGION, tags = {}, aurora: isAurora = false, hollow = false } = {}) {
      const password = newPassword();
      const cluster = hollow ? undefined : await makeCluster(password);
      const caller = { region, account: ACCOUNT };
      (isAurora ? clusters : state).instances.set(keyOf(caller, id), {
        ...caller,
        id,
        arn: arnOf(caller, 'db', id),
        engineVersion: '18.4',
        instanceClass: 'db.t4g.medium',
        dbName,
        kmsKey,
        network: {},
        tags: new Map(Object.entries(tags)),
        hollow,
        deletionProtection: true,
        password,
        cluster,
        secret: undefined,
        status: timeline(state.now(), [], 'available'),
      });
      if (isAurora)
        aurora['CreateDBInstance']?.(
          state,
          caller,
          parseForm(`DBInstanceIdentifier=${id}-1&DBClusterIdentifier=${id}&DBInstanceClass=db.t4g.medium`),
        );
      const port = cluster?.server.port ?? 0;
      return { url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, port };
    },
    instance: (id) => state.instances.get(keyOf({ region: REGION, account: ACCOUNT }, id)),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
      const running = [...state.instances.values(), ...clusters.instances.values()].flatMap(({ cluster }): Cluster[] =>
        cluster === undefined ? [] : [cluster],
      );
      await Promise.all(running.map(endCluster));
      for (const { folder } of [...state.snapshots.values(), ...clusters.snapshots.values()]) if (folder !== undefined) folders.add(folder);
      await Promise.all([...folders].map(removeFolder));
    },
  };
};

const respond = async (
  request: IncomingMessage,
  response: ServerResponse,
  run: (request: IncomingMessage, body: string) => string,
  state: State,
): Promise<void> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const body = Buffer.concat(chunks).toString('utf8');
  const job = request.method === 'PUT' ? /^\/restore-jobs\/([^/]+)\/validations$/.exec(request.url ?? '')?.[1] : undefined;
  if (job !== undefined) {
    state.validations.set(decodeURIComponent(job), JSON.parse(body));
    response.writeHead(204).end();
    return;
  }
  if (request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue') return secretValue(response, body, state);
  const [status, document] = answered(() => run(request, body));
  response.writeHead(status, { 'content-type': 'text/xml' }).end(document);
};

const answered = (run: () => string): readonly [status: number, document: string] => {
  try {
    return [200, run()];
  } catch (error) {
    const known = error instanceof RdsError ? error : new RdsError('InternalFailure', 500, String(error));
    return [known.status, refusal(known)];
  }
};

const secretValue = (response: ServerResponse, body: string, state: State): void => {
  const asked: { SecretId?: unknown } = JSON.parse(body);
  const found = state.secrets.get(String(asked.SecretId));
  const [status, answered] =
    found === undefined
      ? [400, { __type: 'ResourceNotFoundException', message: "Secrets Manager can't find the specified secret." }]
      : [200, { ARN: asked.SecretId, SecretString: found }];
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answered));
};

/** `Credential=<key>/<date>/<region>/rds/aws4_request` */
const callerOf = ({ headers }: IncomingMessage, { action }: Form, sts: Sts): Caller => {
  const [, key = '', region = REGION] = /Credential=([^/]+)\/\d{8}\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  const session = sts.accountOf(key, headers['x-amz-security-token']?.toString(), action);
  return { region, account: session ?? ACCOUNT_KEY.exec(key)?.[1] ?? ACCOUNT };
};
