import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { renderReport } from '../../../src/drill/report/report.ts';
import { findProgram } from '../../support/programs.ts';
import { failed, historyOf, hostileManifest, hostileProof, manifestOf, notMeasured, passed } from '../samples.ts';

const chromium = findProgram('chromium');
const mayBeMissing = process.env['CI'] !== 'true';

/** Without the background flags it looks for hosts of its maker. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--virtual-time-budget=3000',
] as const;

const CHROMIUM_TIMEOUT_MS = 60_000;

/** The narrowest phone, a tablet, a desk: pixels. */
const WIDTHS = [320, 768, 1280] as const;

const manifest = manifestOf();
const many = manifestOf({}, 180);

/** Text that asks this server for something, in every way that a page can. */
const beacon =
  (origin: string) =>
  (index: number): string =>
    `t${index}"'><script>document.title="taken"</script><img src="${origin}/beacon" onerror="document.title='taken'"><style>@import "${origin}/beacon";</style>`;

const Seen = z.array(
  z.object({
    width: z.number(),
    verdict: z.string(),
    verdictPx: z.number(),
    title: z.string(),
    scripts: z.number(),
    overflowPx: z.number(),
    bodyPx: z.number(),
  }),
);

/** Opens the report in frames of several widths and writes down what is laid out there. */
const observer = `<!doctype html><body>${WIDTHS.map((width) => `<iframe src="/report" width="${width}" height="900"></iframe>`).join('')}
<script>onload = () => {
  const seen = [...document.querySelectorAll('iframe')].map((frame) => {
    const page = frame.contentDocument, heading = page.querySelector('h1'), root = page.documentElement;
    return { width: +frame.width, verdict: heading.innerText.trim(), verdictPx: heading.getBoundingClientRect().height, title: page.title,
      scripts: page.scripts.length, overflowPx: root.scrollWidth - root.clientWidth, bodyPx: root.scrollHeight };
  });
  document.body.textContent = 'SEEN' + encodeURIComponent(JSON.stringify(seen)) + 'END';
}</script>`;

describe.skipIf(chromium === undefined && mayBeMissing)(
  `in a browser${chromium === undefined ? ' (skipped: no chromium on PATH)' : ''}`,
  () => {
    let server: Server;
    let origin = '';
    let report = '';
    const requests: string[] = [];

    beforeAll(async () => {
      server = createServer((request, response) => {
        requests.push(request.url ?? '');
        response.setHeader('content-type', 'text/html; charset=utf-8').end(request.url === '/report' ? report : observer);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      origin = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
    });

    afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

    const look = async (html: string): Promise<z.infer<typeof Seen>> => {
      if (chromium === undefined) throw new Error('chromium is not on PATH, and CI=true asks for it');
      report = html;
      requests.length = 0;
      const profile = await mkdtemp(join(tmpdir(), 'lifeboat-chromium-'));
      try {
        const { stdout } = await promisify(execFile)(chromium, [...FLAGS, `--user-data-dir=${profile}`, '--dump-dom', `${origin}/`], {
          timeout: CHROMIUM_TIMEOUT_MS,
        });
        const [, encoded = ''] = /SEEN(\S+)END/.exec(stdout) ?? [];
        return Seen.parse(JSON.parse(decodeURIComponent(encoded)));
      } finally {
        await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
      }
    };

    it.each([
      ['PASSED', () => renderReport(passed(many), historyOf(60), many)],
      ['FAILED', () => renderReport(failed(), historyOf(5), manifest)],
      ['NOT MEASURED', () => renderReport(notMeasured(), [], manifest)],
      [
        'FAILED',
        () => {
          const hostile = hostileManifest(beacon(origin));
          return renderReport(hostileProof(hostile, beacon(origin)), historyOf(2), hostile);
        },
      ],
    ])(
      'shows %s at any width, without a script, a request or a sideways scroll',
      async (verdict, render) => {
        const seen = await look(render());
        expect(seen.map(({ width }) => width)).toEqual(WIDTHS);
        for (const one of seen) {
          expect(one).toMatchObject({ verdict, scripts: 0, overflowPx: 0 });
          expect(one.title).toMatch(new RegExp(`^${verdict}: drill of catalog-prod`));
          expect(one.verdictPx).toBeGreaterThan(30);
          expect(one.bodyPx).toBeGreaterThan(1000);
        }
        expect(new Set(requests.filter((url) => url !== '/favicon.ico'))).toEqual(new Set(['/', '/report']));
      },
      CHROMIUM_TIMEOUT_MS + 10_000,
    );
  },
);
