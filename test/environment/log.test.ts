import { afterEach, expect, it, vi } from 'vitest';
import { openLog } from '../../src/environment/log.ts';

afterEach(() => vi.restoreAllMocks());

it('tells each line of its own invocation, and nothing of the one before', async () => {
  const lines: Record<string, unknown>[] = [];
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      lines.push(JSON.parse(String(text)));
      return true;
    });
  const log = await openLog('prod');
  log.begin({ request: 'one', source: 'catalog', run: '20261121T013000Z-4f2a' });
  log.report({ type: 'done', stage: 'dump', rows: 7, bytes: 9, what: 'public.t' });
  log.report({ type: 'warning', message: 'slow' });
  log.begin({ request: 'two' });
  log.failed({ code: 'ConnectionLost', message: 'the server went away', hint: 'Look at it.' }, 12);
  const shared = { service: 'lifeboat', environment: 'prod', timestamp: expect.any(String) };
  const first = { ...shared, function_request_id: 'one', source: 'catalog', run: '20261121T013000Z-4f2a' };
  expect(lines).toMatchObject([
    { ...first, level: 'INFO', message: 'done', stage: 'dump', rows: 7, bytes: 9, what: 'public.t' },
    { ...first, level: 'WARN', message: 'slow' },
    { ...shared, level: 'ERROR', function_request_id: 'two', message: 'the server went away', code: 'ConnectionLost', milliseconds: 12 },
  ]);
  expect(lines[2]).not.toHaveProperty('source');
  expect(lines[2]).not.toHaveProperty('run');
});
