import type { IncomingMessage } from 'node:http';
import type { State, StoredIndex, StoredTask } from './meilisearch-state.ts';

export interface ServerOptions {
  /** null: the instance runs without one. */
  readonly masterKey?: string | null;
  readonly version?: string;
  /** Bytes, after decompression. */
  readonly payloadLimit?: number;
  /** Milliseconds that a task waits before it runs. */
  readonly taskDelay?: number;
}

export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export type Handler = (context: {
  match: RegExpExecArray;
  query: URLSearchParams;
  body: () => unknown;
  raw: Buffer;
  headers: IncomingMessage['headers'];
}) => { status?: number; body?: unknown };

export type Route = readonly [method: string, path: RegExp, run: Handler];

/** What the routes of an instance work with. */
export interface Instance {
  readonly options: ServerOptions;
  readonly state: State;
  readonly masterKey: string | null;
  keyValue(uid: string): string;
  enqueue(
    type: string,
    indexUid: string | null,
    details: Record<string, unknown> | null,
    work: (task: StoredTask) => void | Promise<void>,
  ): { readonly status: number; readonly body: unknown };
}

export const page = (items: unknown[], query: URLSearchParams) => {
  const offset = Number(query.get('offset') ?? 0);
  const limit = Number(query.get('limit') ?? 20);
  return { results: items.slice(offset, offset + limit), offset, limit, total: items.length };
};

export const indexNamed = ({ indexes }: State, uid: string): StoredIndex => {
  if (!/^[A-Za-z0-9_-]{1,511}$/.test(uid)) throw new HttpError(400, 'invalid_index_uid', `\`${uid}\` is not a valid index uid.`);
  const index = indexes.get(uid);
  if (index === undefined) throw new HttpError(404, 'index_not_found', `Index \`${uid}\` not found.`);
  return index;
};
