import { readdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { LifeboatError } from '../../src/errors.ts';
import { lifeboat, temporaryFolder } from './support.ts';

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe('the command line', () => {
  it('has one file a command', async () => {
    const files = await readdir(new URL('../../src/cli/commands', import.meta.url));
    expect(files.map((file) => file.replace('.ts', '')).sort()).toEqual(commands.map((command) => command.name).sort());
  });

  it.each([['--help'], ['-h'], ['help']])('shows every command on %s', async (...argv) => {
    const { code, out, err } = await lifeboat(argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of commands) expect(out).toMatch(new RegExp(`^  ${command.name} `, 'm'));
  });

  it.each(commands.map((command) => command.name))('helps with %s, whichever way it is asked', async (name) => {
    const { code, out } = await lifeboat([name, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`usage: lifeboat ${name}`);
    expect((await lifeboat(['help', name])).out).toBe(out);
  });

  it.each<[string, readonly string[], string, RegExp]>([
    ['nothing', [], 'no command', /usage: lifeboat <command>/],
    ['a mistyped command', ['bakcup', 'catalog'], 'unknown command: bakcup', /hint: Did you mean backup\?/],
    ['a command that is none', ['frobnicate'], 'unknown command: frobnicate', /hint: Commands: backup, list/],
    ['a mistyped flag', ['list', '--jsno'], 'unknown flag for list: --jsno', /hint: Did you mean --json\?\nusage: lifeboat list/],
    ['a flag of another command', ['list', '--overwrite'], 'unknown flag for list: --overwrite', /hint: Flags: /],
    ['a short flag', ['list', '-x'], 'unknown flag for list: -x', /usage: lifeboat list/],
    ['a missing value', ['list', '--env'], '--env needs a value: <name>', /usage: lifeboat list/],
    ['a flag as a value', ['list', '--env', '--json'], '--env needs a value: <name>', /./],
    ['a value too many', ['list', '--json=yes'], '--json takes no value', /./],
    ['a flag twice', ['list', '--env', 'a', '--env', 'b'], '--env is given twice', /./],
    ['a missing argument', ['show'], 'show needs <backup>|latest', /usage: lifeboat show <backup>\|latest/],
    ['an argument too many', ['doctor', 'catalog'], 'doctor does not take "catalog"', /./],
    ['a kind of progress that is none', ['list', '--progress', 'loud'], 'unknown kind of progress: loud', /auto, tty, plain, json, none/],
    ['--store and --env', ['list', '--store', 'file:///x', '--env', 'prod'], '--store and --env exclude each other', /./],
    ['a store that is no URL', ['list', '--store', '/x'], 'not the URL of a store: /x', /hint: Write file:\/\/\/x\./],
    [
      'a source and --from',
      ['backup', 'a', '--from', 'postgres://h/d', '--store', 'file:///x'],
      'a source and --from exclude each other',
      /usage: lifeboat backup/,
    ],
    ['--store without --from', ['backup', '--store', 'file:///x'], 'backup needs --from <url> with --store', /./],
    ['a URL of no known kind', ['backup', '--from', 'pg://u:hunter2@h/d', '--store', 'file:///x'], 'pg://u:***@h/d', /postgres:\/\//],
  ])('answers %s with a usage line and 2', async (_, argv, message, hint) => {
    const { code, out, err } = await lifeboat(argv, { cwd: folder });
    expect(code).toBe(2);
    expect(out === '' || argv.includes('--json')).toBe(true);
    expect(`${out}${err}`).toContain(message);
    expect(`${out}${err}`).toMatch(hint);
    expect(err).toMatch(/^usage: lifeboat /m);
    expect(`${out}${err}`).not.toContain('hunter2');
  });

  it('takes flags before the command, and a value after =', async () => {
    const { code, json } = await lifeboat(['--json', '--progress', 'none', 'list', '--env=nowhere'], { cwd: folder });
    expect(code).toBe(2);
    expect(json()).toMatchObject({ error: { code: 'UnknownEnvironment', message: expect.stringContaining('no environment nowhere') } });
  });

  it('takes the environment from LIFEBOAT_ENV', async () => {
    const { err } = await lifeboat(['list'], { cwd: folder, env: { LIFEBOAT_ENV: 'elsewhere' } });
    expect(err).toContain('no environment elsewhere');
  });
});

const ARGV = ['backup', '--from', 'postgres://user:hunter2@host/db', '--store', 'file:///nowhere/at/all'];

describe('a failure', () => {
  const failing = (error: unknown) => ({
    backup: async () => {
      throw error;
    },
  });

  it('is a message and a hint on stderr, with the exit code of its name', async () => {
    const error = new LifeboatError('LeaseHeld', 'another backup of db runs', { hint: 'Wait for it.' });
    expect(await lifeboat(ARGV, { engine: failing(error) })).toMatchObject({
      code: 11,
      out: '',
      err: 'error: another backup of db runs\nhint: Wait for it.\n',
    });
  });

  it('is one JSON document on stdout with --json', async () => {
    const error = new LifeboatError('TargetNotEmpty', 'database db is not empty', { hint: 'Give --overwrite.' });
    const ran = await lifeboat([...ARGV, '--json'], { engine: failing(error) });
    expect(ran).toMatchObject({ code: 13, err: '' });
    expect(ran.json()).toEqual({ error: { code: 'TargetNotEmpty', message: 'database db is not empty', hint: 'Give --overwrite.' } });
  });

  it('that nobody expected says so, and shows its stack only when asked', async () => {
    const ran = await lifeboat(ARGV, { engine: failing(new TypeError('x is not a function')) });
    expect(ran.code).toBe(1);
    expect(ran.err).toBe('error: TypeError: x is not a function\nhint: LIFEBOAT_DEBUG=1 shows where it came from.\n');
    expect((await lifeboat(ARGV, { engine: failing(new TypeError('x')), env: { LIFEBOAT_DEBUG: '1' } })).err).toContain('main.test.ts');
  });

  it('repeats no secret: not of the URL, not of a server that quotes it, not one that was resolved', async () => {
    const { code, out, err } = await lifeboat([...ARGV, '--progress', 'plain'], {
      env: { PGPASSWORD: 'resolved-secret' },
      makeEngine: async ({ secrets }) => ({
        ...(await import('./support.ts')).fakeEngine(),
        backup: async (_, { report }) => {
          await secrets.resolve('env:PGPASSWORD');
          report({ type: 'warning', message: 'the server said hunter2 and resolved-secret' });
          throw new LifeboatError('LoginFailed', 'login with hunter2 at postgres://user:hunter2@host failed', {
            hint: 'Is resolved-secret right?',
          });
        },
      }),
    });
    expect(code).toBe(1);
    expect(`${out}${err}`).not.toMatch(/hunter2|resolved-secret/);
    expect(err).toContain('warning: the server said *** and ***');
    expect(err).toContain('login with *** at postgres://user:***@host failed');
  });

  it('closes the engine, as success does', async () => {
    let closed = 0;
    const close = async () => {
      closed += 1;
    };
    await lifeboat(ARGV, { engine: { ...failing(new Error('x')), close } });
    await lifeboat(['executions', '--store', 'file:///x'], { engine: { executions: async () => [], close } });
    expect(closed).toBe(2);
    await lifeboat(['dump', 'postgres://h/d', '--out', '-'], { engine: { close, dump: async () => Promise.reject(new Error('x')) } });
    expect(closed).toBe(3);
  });
});

describe('an interrupt', () => {
  it('aborts the work and ends with 130; another one right after it is the same one; a later one ends at once', async () => {
    let interrupt = (): void => undefined;
    let time = 0;
    const exits: number[] = [];
    const ran = await lifeboat(ARGV, {
      now: () => new Date(time),
      interrupts: (handler) => {
        interrupt = handler;
      },
      exited: (code) => exits.push(code),
      engine: {
        backup: async (_, { signal }) => {
          interrupt();
          interrupt();
          expect(signal.aborted).toBe(true);
          expect(exits).toEqual([]);
          time = 1000;
          interrupt();
          throw signal.reason;
        },
      },
    });
    expect(exits).toEqual([130]);
    expect(ran).toMatchObject({ code: 130, out: '' });
    expect(ran.err).toContain('interrupted: ending; once more');
  });

  it('is what a failure of the interrupted work is called', async () => {
    let interrupt = (): void => undefined;
    const ran = await lifeboat([...ARGV, '--json'], {
      interrupts: (handler) => {
        interrupt = handler;
      },
      engine: {
        backup: async () => {
          interrupt();
          throw new LifeboatError('ConnectionLost', 'the connection ended');
        },
      },
    });
    expect(ran.code).toBe(130);
    expect(ran.json()).toMatchObject({ error: { code: 'Interrupted' } });
  });
});
