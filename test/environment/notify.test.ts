import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { deliver, noticeOf, parseEvent, type Webhook, wants } from '../../src/environment/notify.ts';

const ended = (status: string, machine = 'prod-catalog-backup') => ({
  'detail-type': 'Step Functions Execution Status Change',
  detail: {
    status,
    executionArn: `arn:aws:states:eu-central-1:123456789012:execution:${machine}:x`,
    stateMachineArn: `arn:aws:states:eu-central-1:123456789012:stateMachine:${machine}`,
  },
});

const alarmed = (value: string) => ({
  'detail-type': 'CloudWatch Alarm State Change',
  detail: {
    alarmName: 'lifeboat-prod-catalog-backup-missing',
    state: { value },
    configuration: { description: 'What to do: docs/runbook.md#backup-missing' },
  },
});

const webhook = (changes: Partial<Webhook> = {}): Webhook => ({
  url: 'secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack',
  format: 'slack',
  on: 'failure',
  ...changes,
});

/** A server that notes what it is asked and answers `status`. */
const listen = async (status = 200) => {
  const requests: { readonly method: string | undefined; readonly body: string }[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    requests.push({ method: request.method, body: Buffer.concat(chunks).toString() });
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/t0ken`;
  return { requests, world: { secret: async () => url, fetch }, url };
};

describe('a notice', () => {
  it.each([
    [
      ended('FAILED'),
      { kind: 'failure', about: 'prod-catalog-backup', text: expect.stringContaining('prod-catalog-backup FAILED: arn:aws:states') },
    ],
    [ended('SUCCEEDED'), { kind: 'success', about: 'prod-catalog-backup' }],
    [ended('ABORTED'), { kind: 'failure' }],
    [alarmed('ALARM'), { kind: 'failure', text: expect.stringContaining('is ALARM. What to do: docs/runbook.md#backup-missing') }],
    [alarmed('OK'), { kind: 'success' }],
  ])('says what an event means', (event, notice) => {
    expect(noticeOf(parseEvent(event))).toMatchObject(notice);
  });

  it('says why, where Step Functions does, but for a whole document', () => {
    const failed = ended('FAILED');
    const text = (detail: object) => noticeOf(parseEvent({ ...failed, detail: { ...failed.detail, ...detail } })).text;
    expect(text({ error: 'LeaseHeld', cause: 'the lease is held\nhint: Wait.' })).toMatch(
      /^prod-catalog-backup FAILED: LeaseHeld: the lease is held: arn/,
    );
    expect(text({ error: 'DrillFailed', cause: '{"verdict":"FAILED"}' })).toMatch(/^prod-catalog-backup FAILED: DrillFailed: arn/);
    expect(text({ error: 'X', cause: 'y'.repeat(5000) }).length).toBeLessThan(500);
    expect(text({ error: null, cause: null })).toMatch(/^prod-catalog-backup FAILED: arn/);
  });

  it("of an alarm that is over pings no dead man's switch: that waits for executions", () => {
    expect(wants(webhook({ format: 'ping', on: 'success' }), noticeOf(parseEvent(alarmed('OK'))))).toBe(false);
  });

  it('is made of nothing else', () => {
    expect(() => parseEvent({ 'detail-type': 'Scheduled Event', detail: {} })).toThrow(/not an event of an execution or of an alarm/);
  });

  it.each<[Partial<Webhook>, string, boolean]>([
    [{ on: 'failure' }, 'FAILED', true],
    [{ on: 'failure' }, 'SUCCEEDED', false],
    [{ on: 'success' }, 'SUCCEEDED', true],
    [{ on: 'always' }, 'SUCCEEDED', true],
    [{ on: 'always', about: ['prod-catalog-drill'] }, 'FAILED', false],
    [{ on: 'always', about: ['prod-catalog-backup'] }, 'FAILED', true],
    [{ format: 'ping', on: 'success' }, 'SUCCEEDED', true],
    [{ format: 'ping', on: 'always' }, 'FAILED', false],
  ])('for %j and %s', (changes, status, wanted) => {
    expect(wants(webhook(changes), noticeOf(parseEvent(ended(status))))).toBe(wanted);
  });
});

describe('delivering', () => {
  const failure = noticeOf(parseEvent(ended('FAILED')));

  it('posts text that Slack takes, and pings with nothing', async () => {
    const { requests, world } = await listen();
    const success = noticeOf(parseEvent(ended('SUCCEEDED')));
    expect(await deliver([webhook(), webhook({ on: 'success' }), webhook({ format: 'ping', on: 'success' })], success, world)).toBe(2);
    expect(requests.map(({ method }) => method).sort()).toEqual(['GET', 'POST']);
    expect(JSON.parse(requests.find(({ method }) => method === 'POST')?.body ?? '')).toEqual({ text: success.text });
  });

  it('fails when one is refused, after the others were told, and names no URL', async () => {
    const good = await listen();
    const bad = await listen(410);
    const world = { fetch, secret: async (reference: string) => (reference.endsWith('bad') ? bad.url : good.url) };
    const error = await deliver([webhook({ url: 'secretsmanager:arn:bad' }), webhook()], failure, world).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/webhook secretsmanager:arn:bad answered 410/);
    expect(String(error)).not.toContain('t0ken');
    expect(good.requests).toHaveLength(1);
  });

  it('fails when nobody answers, and names no URL', async () => {
    const world = { fetch, secret: async () => 'http://127.0.0.1:9/hooks/t0ken' };
    const error = await deliver([webhook()], failure, world).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'ConnectionLost', message: expect.stringContaining('did not answer') });
    expect(JSON.stringify([error, (error as Error).cause])).not.toContain('t0ken');
  });
});
