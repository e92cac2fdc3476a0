import { HttpError, type Instance, type Route, type ServerOptions } from './meilisearch-routes.ts';
import { now, type State, type StoredTask } from './meilisearch-state.ts';

/** One task after the other, each in its turn. */
export const taskQueue = (state: State, options: ServerOptions): Instance['enqueue'] => {
  const queue: (() => Promise<void>)[] = [];
  let running = false;
  const drain = async (): Promise<void> => {
    if (running) return;
    running = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await new Promise((resolve) => setTimeout(resolve, options.taskDelay ?? 1));
      await next();
    }
    running = false;
  };
  return (type, indexUid, details, work) => {
    const task: StoredTask = { uid: state.tasks.length, indexUid, status: 'enqueued', type, details, error: null, enqueuedAt: now() };
    state.tasks.push(task);
    queue.push(async () => {
      task.status = 'processing';
      try {
        await work(task);
        task.status = 'succeeded';
      } catch (error) {
        const code = error instanceof HttpError ? error.code : 'internal';
        task.status = 'failed';
        task.error = {
          message: String((error as Error).message),
          code,
          type: 'internal',
          link: `https://docs.meilisearch.com/errors#${code}`,
        };
      }
    });
    void drain();
    return { status: 202, body: { taskUid: task.uid, indexUid, status: 'enqueued', type, enqueuedAt: task.enqueuedAt } };
  };
};

export const taskRoutes = ({ state, enqueue }: Instance): readonly Route[] => [
  [
    'GET',
    /^\/tasks$/,
    ({ query }) => {
      const statuses = query.get('statuses')?.split(',');
      const uids = query.get('uids')?.split(',').map(Number);
      const found = state.tasks.filter((task) => (statuses?.includes(task.status) ?? true) && (uids?.includes(task.uid) ?? true)).reverse();
      const limit = Number(query.get('limit') ?? 20);
      return {
        body: {
          results: found.slice(0, limit),
          total: found.length,
          limit,
          from: found[0]?.uid ?? null,
          next: found[limit]?.uid ?? null,
        },
      };
    },
  ],
  [
    'GET',
    /^\/tasks\/(\d+)$/,
    ({ match }) => {
      const task = state.tasks[Number(match[1])];
      if (task === undefined) throw new HttpError(404, 'task_not_found', `Task \`${match[1]}\` not found.`);
      return { body: task };
    },
  ],
  [
    'POST',
    /^\/dumps$/,
    () =>
      enqueue('dumpCreation', null, { dumpUid: null }, async (task) => {
        const uid = `${new Date().toISOString().replace(/[-:T]/g, '').slice(0, 8)}-${String(100_000_000 + task.uid)}`;
        await state.dump?.(uid);
        task.details = { dumpUid: uid };
      }),
  ],
];
