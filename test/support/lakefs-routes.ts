import { randomBytes } from 'node:crypto';
import {
  branchOf,
  commit,
  commitOf,
  dump,
  type Entry,
  type Ids,
  listing,
  openRepository,
  Refused,
  type Repository,
  readFile,
  restore,
  upload,
} from './lakefs-repository.ts';
import type { LakefsServer } from './lakefs-server.ts';

export interface Call {
  readonly server: LakefsServer;
  readonly root: string;
  readonly state: State;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly raw: Buffer;
  readonly parts: readonly string[];
}

export interface State {
  readonly tasks: Map<string, { readonly repository: string; readonly refs?: Ids; readonly error?: string }>;
  readonly deleted: Map<string, number>;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly bytes?: Buffer;
}

const ok = (body: unknown, status = 200): Answer => ({ status, body });

const repositoryOf = ({ server, parts }: Call): Repository => {
  const found = server.repositories.get(parts[1] ?? '');
  if (found === undefined) throw new Refused(404, 'repository not found');
  return found;
};

const page = (call: Call, results: readonly { readonly id?: unknown; readonly path?: unknown }[]): Answer => {
  const amount = Number(call.query.get('amount') ?? 100);
  if (amount > 1000) throw new Refused(400, 'parameter "amount" in query has an error: number must be at most 1000');
  const nameOf = (each: (typeof results)[number]): string => String(each.id ?? each.path);
  const sorted = [...results].sort((a, b) => Buffer.compare(Buffer.from(nameOf(a)), Buffer.from(nameOf(b))));
  const after = call.query.get('after') ?? '';
  const rest = sorted.filter((each) => Buffer.compare(Buffer.from(nameOf(each)), Buffer.from(after)) > 0);
  const shown = rest.slice(0, amount);
  const more = rest.length > shown.length;
  const last = shown.at(-1);
  return ok({
    pagination: { has_more: more, max_per_page: 1000, next_offset: more && last !== undefined ? nameOf(last) : '', results: shown.length },
    results: shown,
  });
};

const shown = ({ id, namespace, defaultBranch, readOnly }: Repository) => ({
  id,
  creation_date: 1_795_225_197,
  default_branch: defaultBranch,
  storage_id: '',
  storage_namespace: namespace,
  read_only: readOnly,
});

const statOf = ({ namespace }: Repository, path: string, entry: Entry) => ({
  path,
  path_type: 'object',
  physical_address: entry.full === true ? entry.address : `${namespace}/${entry.address}`,
  checksum: entry.etag,
  size_bytes: entry.size,
  mtime: entry.mtime,
  metadata: entry.metadata,
  content_type: entry.contentType,
});

/** What a ref shows, with what is staged where it is a branch. */
const contentOf = (repository: Repository, ref: string): Map<string, Entry> => {
  const entries = listing(repository, commitOf(repository, ref).metaRangeId);
  for (const [path, entry] of repository.branches.get(ref)?.staged ?? []) entry === null ? entries.delete(path) : entries.set(path, entry);
  return entries;
};

const entryOf = (repository: Repository, { parts, query }: Call): Entry => {
  const entry = contentOf(repository, parts[3] ?? '').get(query.get('path') ?? '');
  if (entry === undefined) throw new Refused(404, 'not found');
  return entry;
};

const changesOf = (repository: Repository, name: string) => {
  const { commit: head, staged } = branchOf(repository, name);
  const committed = listing(repository, commitOf(repository, head).metaRangeId);
  return [...staged].map(([path, entry]) => ({
    path,
    path_type: 'object',
    size_bytes: entry?.size ?? 0,
    type: entry === null ? 'removed' : committed.has(path) ? 'changed' : 'added',
  }));
};

const idsOf = (body: Readonly<Record<string, unknown>>): Ids => ({
  branches_meta_range_id: String(body['branches_meta_range_id']),
  commits_meta_range_id: String(body['commits_meta_range_id']),
  tags_meta_range_id: String(body['tags_meta_range_id']),
});

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

type Route = (call: Call) => Answer;

const create: Route = ({ server, root, state, body, query }) => {
  const id = text(body['name']);
  const namespace = text(body['storage_namespace']);
  if (!/^[a-z0-9][a-z0-9-]{2,62}$/.test(id)) throw new Refused(400, `repository name ${id} is invalid`);
  if (!namespace.startsWith('local://')) throw new Refused(400, 'failed to match required regex ^local://: invalid namespace');
  const stuck = (state.deleted.get(id) ?? 0) + server.play.namesStickMs > Date.now();
  if (server.repositories.has(id) || (state.deleted.has(id) && stuck)) throw new Refused(409, 'error creating repository: not unique');
  const made = openRepository(root, id, namespace, text(body['default_branch']) || 'main', body['read_only'] === true);
  server.repositories.set(id, made);
  if (query.get('bare') !== 'true') commit(made, made.defaultBranch, 'Repository created');
  return ok(shown(made), 201);
};

const startRestore: Route = (call) => {
  const repository = repositoryOf(call);
  if (repository.branches.has(repository.defaultBranch)) throw new Refused(400, 'can only restore into a bare repository');
  const id = `RR${randomBytes(10).toString('hex')}`;
  const task = { repository: repository.id };
  call.state.tasks.set(id, task);
  try {
    restore(repository, idsOf(call.body));
    if (call.server.play.losesTags) repository.tags.clear();
  } catch (error) {
    call.state.tasks.set(id, { ...task, error: error instanceof Error ? error.message : String(error) });
  }
  return ok({ id }, 202);
};

const startDump: Route = (call) => {
  const repository = repositoryOf(call);
  const torn = call.server.play.tornDumps > 0;
  if (torn) call.server.play.tornDumps -= 1;
  const without = new Set(torn ? [branchOf(repository, repository.defaultBranch).commit] : []);
  const id = `DR${randomBytes(10).toString('hex')}`;
  const error = call.server.play.dumpError;
  call.state.tasks.set(id, { repository: repository.id, ...(error === undefined ? { refs: dump(repository, without) } : { error }) });
  return ok({ id }, 202);
};

const taskState: Route = ({ server, state, query, parts }) => {
  const task = state.tasks.get(query.get('task_id') ?? '');
  if (task === undefined || task.repository !== parts[1]) throw new Refused(404, 'not found');
  const { refs, error } = task;
  return ok({
    id: query.get('task_id'),
    done: !server.play.tasksHang,
    update_time: '2026-11-21T01:40:48Z',
    ...(error === undefined ? {} : { error }),
    ...(refs === undefined ? {} : { refs }),
  });
};

const writable = (repository: Repository, branch: string): void => {
  if (repository.protection.some(({ pattern }) => pattern === branch)) throw new Refused(403, 'cannot write to protected branch');
};

/** Settings have no force. */
const changeable = ({ readOnly }: Repository): void => {
  if (readOnly) throw new Refused(403, 'read-only repository');
};

const stageObject: Route = (call) => {
  const repository = repositoryOf(call);
  const branch = branchOf(repository, call.parts[3] ?? '');
  writable(repository, call.parts[3] ?? '');
  const { body, query } = call;
  const physical = text(body['physical_address']);
  const inside = physical.startsWith(`${repository.namespace}/`);
  const entry: Entry = {
    address: inside ? physical.slice(repository.namespace.length + 1) : physical,
    full: !inside,
    size: Number(body['size_bytes']),
    etag: text(body['checksum']),
    mtime: Number(body['mtime']),
    metadata: Object.fromEntries(Object.entries(body['metadata'] ?? {}).map(([key, value]) => [key, String(value)])),
    contentType: text(body['content_type']),
  };
  branch.staged.set(query.get('path') ?? '', entry);
  return ok(statOf(repository, query.get('path') ?? '', entry), 201);
};

const createBranch: Route = (call) => {
  const repository = repositoryOf(call);
  const name = text(call.body['name']);
  if (repository.branches.has(name)) throw new Refused(409, 'branch already exists: not unique');
  const source = commitOf(repository, text(call.body['source']));
  repository.branches.set(name, { commit: source.id, hidden: call.body['hidden'] === true, staged: new Map() });
  return ok(source.id, 201);
};

const commitBranch: Route = (call) => {
  const repository = repositoryOf(call);
  const name = call.parts[3] ?? '';
  if (branchOf(repository, name).staged.size === 0) throw new Refused(400, 'commit: no changes');
  if (repository.protection.some(({ pattern }) => pattern === name)) throw new Refused(403, 'cannot commit to protected branch');
  const made = commit(
    repository,
    name,
    text(call.body['message']),
    Object.fromEntries(Object.entries(call.body['metadata'] ?? {}).map(([key, value]) => [key, String(value)])),
  );
  return ok({ id: made.id, meta_range_id: made.metaRangeId, parents: made.parents }, 201);
};

const patchPull: Route = (call) => {
  const pull = repositoryOf(call).pulls.find(({ id }) => id === call.parts[3]);
  if (pull === undefined) throw new Refused(404, 'not found');
  Object.assign(pull, call.body);
  return { status: 204 };
};

const addPull: Route = (call) => {
  const repository = repositoryOf(call);
  for (const side of ['source_branch', 'destination_branch']) branchOf(repository, text(call.body[side]));
  const id = randomBytes(10).toString('hex');
  repository.pulls.push({ status: 'open', author: 'admin', ...call.body, id });
  return ok({ id }, 201);
};

const R = '/repositories/[^/]+';
const ROUTES: readonly (readonly [RegExp, Route])[] = [
  [/^GET \/config\/version$/, () => ok({ version: '1.84.0', version_context: 'lakeFS' })],
  [/^GET \/config\/storage$/, () => ok({ blockstore_type: 'local' })],
  [/^GET \/repositories$/, (call) => page(call, [...call.server.repositories.values()].map(shown))],
  [/^POST \/repositories$/, create],
  [new RegExp(`^GET ${R}$`), (call) => ok(shown(repositoryOf(call)))],
  [
    new RegExp(`^DELETE ${R}$`),
    (call) => {
      const { id, readOnly } = repositoryOf(call);
      if (readOnly && call.query.get('force') !== 'true') throw new Refused(403, 'read-only repository');
      call.server.repositories.delete(id);
      call.state.deleted.set(id, Date.now());
      return { status: 204 };
    },
  ],
  [
    new RegExp(`^GET ${R}/branches$`),
    (call) => {
      const all = [...repositoryOf(call).branches].filter(([, { hidden }]) => !hidden || call.query.get('show_hidden') === 'true');
      return page(
        call,
        all.map(([id, { commit: head }]) => ({ id, commit_id: head })),
      );
    },
  ],
  [new RegExp(`^POST ${R}/branches$`), createBranch],
  [
    new RegExp(`^GET ${R}/branches/[^/]+$`),
    (call) => ok({ id: call.parts[3], commit_id: branchOf(repositoryOf(call), call.parts[3] ?? '').commit }),
  ],
  [
    new RegExp(`^DELETE ${R}/branches/[^/]+$`),
    (call) => {
      branchOf(repositoryOf(call), call.parts[3] ?? '');
      repositoryOf(call).branches.delete(call.parts[3] ?? '');
      return { status: 204 };
    },
  ],
  [new RegExp(`^GET ${R}/branches/[^/]+/diff$`), (call) => page(call, changesOf(repositoryOf(call), call.parts[3] ?? ''))],
  [new RegExp(`^POST ${R}/branches/[^/]+/commits$`), commitBranch],
  [new RegExp(`^PUT ${R}/branches/[^/]+/objects$`), stageObject],
  [
    new RegExp(`^POST ${R}/branches/[^/]+/objects$`),
    (call) => {
      const repository = repositoryOf(call);
      writable(repository, call.parts[3] ?? '');
      const entry = upload(repository, call.raw);
      branchOf(repository, call.parts[3] ?? '').staged.set(call.query.get('path') ?? '', entry);
      return ok(statOf(repository, call.query.get('path') ?? '', entry), 201);
    },
  ],
  [
    new RegExp(`^DELETE ${R}/branches/[^/]+/objects$`),
    (call) => {
      writable(repositoryOf(call), call.parts[3] ?? '');
      branchOf(repositoryOf(call), call.parts[3] ?? '').staged.set(call.query.get('path') ?? '', null);
      return { status: 204 };
    },
  ],
  [
    new RegExp(`^GET ${R}/tags$`),
    (call) =>
      page(
        call,
        [...repositoryOf(call).tags].map(([id, commit_id]) => ({ id, commit_id })),
      ),
  ],
  [
    new RegExp(`^GET ${R}/refs/[^/]+/objects/stat$`),
    (call) => ok(statOf(repositoryOf(call), call.query.get('path') ?? '', entryOf(repositoryOf(call), call))),
  ],
  [
    new RegExp(`^GET ${R}/refs/[^/]+/objects/ls$`),
    (call) =>
      page(
        call,
        [...contentOf(repositoryOf(call), call.parts[3] ?? '')].map(([path, entry]) => statOf(repositoryOf(call), path, entry)),
      ),
  ],
  [
    new RegExp(`^GET ${R}/refs/[^/]+/objects$`),
    (call) => ({ status: 200, bytes: readFile(repositoryOf(call), entryOf(repositoryOf(call), call).address) }),
  ],
  [new RegExp(`^PUT ${R}/refs/dump$`), (call) => ok(dump(repositoryOf(call)), 201)],
  [new RegExp(`^POST ${R}/dump$`), startDump],
  [new RegExp(`^POST ${R}/restore$`), startRestore],
  [new RegExp(`^GET ${R}/(dump|restore)$`), taskState],
  [new RegExp(`^GET ${R}/metadata$`), (call) => ok(repositoryOf(call).metadata)],
  [
    new RegExp(`^POST ${R}/metadata$`),
    (call) => {
      Object.assign(repositoryOf(call).metadata, call.body['metadata']);
      return { status: 204 };
    },
  ],
  [new RegExp(`^GET ${R}/settings/branch_protection$`), (call) => ok(repositoryOf(call).protection)],
  [
    new RegExp(`^PUT ${R}/settings/branch_protection$`),
    (call) => {
      changeable(repositoryOf(call));
      repositoryOf(call).protection = Object.values(call.body).map((rule) => ({ pattern: text(Object(rule)['pattern']) }));
      return { status: 204 };
    },
  ],
  [
    new RegExp(`^GET ${R}/settings/gc_rules$`),
    (call) => {
      const { rules } = repositoryOf(call);
      if (rules === undefined) throw new Refused(404, 'not found');
      return ok(rules);
    },
  ],
  [
    new RegExp(`^PUT ${R}/settings/gc_rules$`),
    (call) => {
      changeable(repositoryOf(call));
      repositoryOf(call).rules = call.body;
      return { status: 204 };
    },
  ],
  [new RegExp(`^GET ${R}/pulls$`), (call) => page(call, repositoryOf(call).pulls)],
  [new RegExp(`^POST ${R}/pulls$`), addPull],
  [new RegExp(`^PATCH ${R}/pulls/[^/]+$`), patchPull],
];

/** Answers one request. */
export const route = (line: string, call: Call): Answer => {
  const [method = '', ...path] = line.split(' ');
  // Names of refs may have slashes; on the wire they are encoded.
  const plain = `${method} /${call.parts.map((part) => part.replaceAll('/', '%')).join('/')}`;
  const found = ROUTES.find(([pattern]) => pattern.test(plain));
  if (found === undefined) throw new Refused(501, `not part of this server: ${path.join(' ')}`);
  return found[1](call);
};
