import { z } from 'zod';
import { LifeboatError } from '../../../errors.ts';
import { type Answer, type Client, LONG_ANSWER_MS, labelOf, messageOf, type Request } from './client.ts';

/** The calls of lakeFS 1.x that Lifeboat makes, each with its answer checked. */

/** lakeFS's own limit of a page. */
const PAGE = 1000;

const Text = z.string();
export const Sha = z.string().regex(/^[0-9a-f]{64}$/);

export const RepositorySchema = z.object({
  id: Text,
  storage_namespace: Text,
  default_branch: Text,
  storage_id: Text.optional(),
  read_only: z.boolean().optional(),
});
export type Repository = z.output<typeof RepositorySchema>;

const Ref = z.object({ id: Text, commit_id: Text });
export type Ref = z.output<typeof Ref>;

const Change = z.object({ path: Text, type: Text, path_type: Text.optional() });
export type Change = z.output<typeof Change>;

export const StatSchema = z.object({
  path: Text,
  checksum: Text,
  physical_address: Text,
  size_bytes: z.number().optional(),
  mtime: z.number(),
  metadata: z.record(Text, Text).optional(),
  content_type: Text.optional(),
});
export type Stat = z.output<typeof StatSchema>;

export const PullSchema = z.object({
  id: Text,
  title: Text,
  description: Text.optional(),
  status: Text,
  author: Text.optional(),
  source_branch: Text,
  destination_branch: Text,
  creation_date: Text.optional(),
  closed_date: Text.optional(),
  merged_commit_id: Text.optional(),
});

export const ProtectionSchema = z.array(z.object({ pattern: Text }));
export const RulesSchema = z.object({
  default_retention_days: z.int(),
  branches: z.array(z.object({ branch_id: Text, retention_days: z.int() })),
});

/** The three ids as lakeFS gives and takes them. */
export const IdsSchema = z.object({ branches_meta_range_id: Sha, commits_meta_range_id: Sha, tags_meta_range_id: Sha });
export type Ids = z.output<typeof IdsSchema>;

const Task = z.object({ id: Text, done: z.boolean(), error: Text.optional(), refs: z.unknown().optional() });
const Page = z.object({ pagination: z.object({ has_more: z.boolean(), next_offset: Text }), results: z.array(z.unknown()) });

/** Fails with ServerFailed on an answer that is none of `statuses`. */
const expectStatus = (request: Request, answer: Answer, ...statuses: readonly number[]): Answer => {
  if (statuses.includes(answer.status)) return answer;
  throw new LifeboatError('ServerFailed', `lakeFS answered ${labelOf(request)} with ${answer.status}: ${messageOf(answer)}`);
};

const parsed = <T>(request: Request, schema: z.ZodType<T>, value: unknown): T => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join('.') ?? '';
  throw new LifeboatError(
    'VersionUnsupported',
    `the answer of lakeFS to ${labelOf(request)} is not what lakeFS 1.x says${where === '' ? '' : `: ${where}`}`,
    {
      hint: 'Lifeboat is tried with lakeFS 1.84.',
    },
  );
};

const call = async <T>(client: Client, request: Request, schema: z.ZodType<T>, ...statuses: readonly number[]): Promise<T> =>
  parsed(request, schema, expectStatus(request, await client.send(request), ...statuses).body);

/** Undefined where lakeFS says 404. */
const find = async <T>(client: Client, request: Request, schema: z.ZodType<T>): Promise<T | undefined> => {
  const answer = expectStatus(request, await client.send(request), 200, 404);
  return answer.status === 404 ? undefined : parsed(request, schema, answer.body);
};

async function* pages<T>(client: Client, request: Request, schema: z.ZodType<T>): AsyncGenerator<T> {
  for (let after = ''; ; ) {
    const query = { ...request.query, amount: PAGE, ...(after === '' ? {} : { after }) };
    const page = await call(client, { ...request, query }, Page, 200);
    for (const result of page.results) yield parsed(request, schema, result);
    if (!page.pagination.has_more) return;
    if (page.pagination.next_offset === after) throw new LifeboatError('ServerFailed', `the pages of ${labelOf(request)} do not end`);
    after = page.pagination.next_offset;
  }
}

export const version = async (client: Client): Promise<string> =>
  (await call(client, { method: 'GET', path: ['config', 'version'] }, z.object({ version: Text }), 200)).version;

export const blockstore = async (client: Client): Promise<string> =>
  (await call(client, { method: 'GET', path: ['config', 'storage'] }, z.object({ blockstore_type: Text }), 200)).blockstore_type;

export const repositories = (client: Client): AsyncGenerator<Repository> =>
  pages(client, { method: 'GET', path: ['repositories'] }, RepositorySchema);

/** Undefined when it is not there, or is being deleted (410). */
export const findRepository = async (client: Client, name: string): Promise<Repository | undefined> => {
  const request: Request = { method: 'GET', path: ['repositories', name] };
  const answer = expectStatus(request, await client.send(request), 200, 404, 410);
  return answer.status === 200 ? parsed(request, RepositorySchema, answer.body) : undefined;
};

/** Fails with NoSuchDatabase, the word for what a server does not hold. */
export const repository = async (client: Client, name: string): Promise<Repository> => {
  const found = await findRepository(client, name);
  if (found !== undefined) return found;
  throw new LifeboatError('NoSuchDatabase', `lakeFS at ${client.login.api} has no repository ${name}`, {
    hint: 'Check the name; a user sees only what it may list.',
  });
};

export const branches = (client: Client, name: string, hidden: boolean): AsyncGenerator<Ref> =>
  pages(client, { method: 'GET', path: ['repositories', name, 'branches'], query: { show_hidden: hidden ? true : undefined } }, Ref);

export const tags = (client: Client, name: string): AsyncGenerator<Ref> =>
  pages(client, { method: 'GET', path: ['repositories', name, 'tags'] }, Ref);

export const findBranch = (client: Client, name: string, branch: string): Promise<Ref | undefined> =>
  find(client, { method: 'GET', path: ['repositories', name, 'branches', branch] }, Ref);

export const changes = (client: Client, name: string, branch: string): AsyncGenerator<Change> =>
  pages(client, { method: 'GET', path: ['repositories', name, 'branches', branch, 'diff'] }, Change);

/** Undefined for an object that is not there (any more). */
export const stat = (client: Client, name: string, ref: string, path: string): Promise<Stat | undefined> =>
  find(client, { method: 'GET', path: ['repositories', name, 'refs', ref, 'objects', 'stat'], query: { path } }, StatSchema);

/** All objects of a ref, as the server lists them. */
export const listing = (client: Client, name: string, ref: string): AsyncGenerator<Stat> =>
  pages(client, { method: 'GET', path: ['repositories', name, 'refs', ref, 'objects', 'ls'] }, StatSchema);

export const objectBytes = (client: Client, name: string, ref: string, path: string) =>
  client.stream({ method: 'GET', path: ['repositories', name, 'refs', ref, 'objects'], query: { path }, timeoutMs: LONG_ANSWER_MS });

/** The dump in one request; `at` is the server's clock. */
export const dumpRefs = async (client: Client, name: string): Promise<{ readonly ids: Ids; readonly at: Date | undefined }> => {
  // A repeated dump leaves two more files behind, and nothing else.
  const request: Request = { method: 'PUT', path: ['repositories', name, 'refs', 'dump'], timeoutMs: LONG_ANSWER_MS, repeatable: true };
  const answer = expectStatus(request, await client.send(request), 201);
  const date = answer.headers.get('date');
  return { ids: parsed(request, IdsSchema, answer.body), at: date === null ? undefined : new Date(date) };
};

export const startDump = async (client: Client, name: string): Promise<string> =>
  (await call(client, { method: 'POST', path: ['repositories', name, 'dump'] }, z.object({ id: Text }), 202)).id;

export interface TaskState {
  readonly done: boolean;
  readonly error: string | undefined;
  readonly refs: unknown;
}

export const taskState = async (client: Client, name: string, kind: 'dump' | 'restore', task: string): Promise<TaskState> => {
  const { done, error, refs } = await call(
    client,
    { method: 'GET', path: ['repositories', name, kind], query: { task_id: task } },
    Task,
    200,
  );
  return { done, error: error === '' ? undefined : error, refs };
};

export const startRestore = async (client: Client, name: string, ids: Ids): Promise<string> =>
  (
    await call(
      client,
      { method: 'POST', path: ['repositories', name, 'restore'], body: { ...ids, force: true } },
      z.object({ id: Text }),
      202,
    )
  ).id;

/** Status 201 or 409 with lakeFS's words. */
export const createBare = async (
  client: Client,
  wanted: {
    readonly name: string;
    readonly namespace: string;
    readonly defaultBranch: string;
    readonly storageId?: string | undefined;
    readonly readOnly: boolean;
  },
): Promise<{ readonly created: boolean; readonly message: string }> => {
  const request: Request = {
    method: 'POST',
    path: ['repositories'],
    query: { bare: true },
    body: {
      name: wanted.name,
      storage_namespace: wanted.namespace,
      default_branch: wanted.defaultBranch,
      ...(wanted.storageId === undefined || wanted.storageId === '' ? {} : { storage_id: wanted.storageId }),
      ...(wanted.readOnly ? { read_only: true } : {}),
    },
  };
  const answer = expectStatus(request, await client.send(request), 201, 400, 409);
  if (answer.status === 400)
    throw new LifeboatError('TargetProblem', `lakeFS makes no repository ${wanted.name} in ${wanted.namespace}: ${messageOf(answer)}`, {
      hint: 'The namespace must be of the kind of storage that the server has (s3:// or local://).',
    });
  return { created: answer.status === 201, message: messageOf(answer) };
};

/** Succeeds when it is not there. */
export const deleteRepository = async (client: Client, name: string): Promise<void> => {
  const request: Request = { method: 'DELETE', path: ['repositories', name], query: { force: true }, repeatable: true };
  expectStatus(request, await client.send(request), 204, 404, 410);
};

/** Anything else that is written: fails unless the answer is one of `statuses`. */
export const write = async (client: Client, request: Request, ...statuses: readonly number[]): Promise<Answer> =>
  expectStatus(request, await client.send(request), ...statuses);

export const settings = {
  metadata: (client: Client, name: string) =>
    call(client, { method: 'GET', path: ['repositories', name, 'metadata'] }, z.record(Text, Text), 200),
  protection: (client: Client, name: string) =>
    call(client, { method: 'GET', path: ['repositories', name, 'settings', 'branch_protection'] }, ProtectionSchema, 200),
  rules: (client: Client, name: string) =>
    find(client, { method: 'GET', path: ['repositories', name, 'settings', 'gc_rules'] }, RulesSchema),
  pulls: (client: Client, name: string) =>
    pages(client, { method: 'GET', path: ['repositories', name, 'pulls'], query: { status: 'all' } }, PullSchema),
};
