import { describe, expect, it } from 'vitest';
import { errorOf, failureOf, failureOfCaught, readFailures, reasonOf, recordFailure, withHint } from '../../src/backup/failures.ts';
import { LifeboatError } from '../../src/errors.ts';
import { functionKilled, functionTimedOut, lambdaFailure } from '../../src/local/asl/errors.ts';
import { memoryRuntime } from '../support/runtime.ts';

const MAP = { Error: 'States.ExceedToleratedFailureThreshold', Cause: 'The specified tolerated failure threshold was exceeded' };

/** What a Catch sees of an error that a function threw. */
const caught = (error: Error) => {
  const failure = lambdaFailure(error);
  return { Error: failure.error, Cause: failure.causeText };
};

const thrown = (): LifeboatError => {
  const error = new LifeboatError('SourceChanged', 'table public.t was truncated', { hint: 'Start a new backup.' });
  error.message = withHint(failureOf('', error));
  return error;
};

describe('failureOfCaught', () => {
  it('finds code, message and hint again in what Lambda reports', () => {
    expect(failureOfCaught(caught(thrown()))).toEqual({
      step: '',
      code: 'SourceChanged',
      message: 'table public.t was truncated',
      hint: 'Start a new backup.',
    });
  });

  it('finds them in a nested execution', () => {
    const nested = {
      Error: 'States.TaskFailed',
      Cause: JSON.stringify({ Status: 'FAILED', Error: 'SourceChanged', Cause: caught(thrown()).Cause, Input: '{}' }),
    };
    expect(failureOfCaught(nested)).toMatchObject({ code: 'SourceChanged', hint: 'Start a new backup.' });
    const failState = { Error: 'States.TaskFailed', Cause: JSON.stringify({ Error: 'SourceChanged', Cause: thrown().message }) };
    expect(failureOfCaught(failState)).toMatchObject({
      code: 'SourceChanged',
      message: 'table public.t was truncated',
      hint: 'Start a new backup.',
    });
  });

  it.each([functionKilled('exit code 137'), functionTimedOut(900)])(
    'says of a function that gave no answer that it was killed: %s',
    (error) => {
      const failure = failureOfCaught({ Error: error.error, Cause: error.causeText });
      expect(failure).toMatchObject({ code: 'FunctionKilled', message: expect.stringContaining(error.error) });
      expect(failure.hint).not.toBe('');
    },
  );

  it.each([null, undefined, 'text', { Cause: 'x' }])('says that nothing says why: %j', (what) => {
    expect(failureOfCaught(what)).toMatchObject({ code: 'BackupFailed' });
  });

  it('keeps a name that it does not know', () => {
    expect(failureOfCaught({ Error: 'States.Runtime', Cause: 'no such variable' })).toEqual({
      step: '',
      code: 'States.Runtime',
      message: 'no such variable',
      hint: '',
    });
  });
});

describe('reasonOf', () => {
  const record = async (...codes: readonly ['InstantLost' | 'ConnectionLost' | 'SourceChanged' | 'StoreFull', string][]) => {
    const runtime = memoryRuntime();
    for (const [code, message] of codes) {
      await recordFailure(runtime, 'sea', 'run', failureOf('', new LifeboatError(code, message)), `attempt-${message}`);
      await runtime.sleep(1);
    }
    return runtime;
  };

  it('is what was caught, where that has a name', async () => {
    expect(await reasonOf(await record(['StoreFull', 'a']), 'sea', 'run', caught(thrown()))).toMatchObject({ code: 'SourceChanged' });
  });

  it('is what a child of a Map wrote down first, other than what passes and what follows', async () => {
    const runtime = await record(['ConnectionLost', 'a'], ['InstantLost', 'b'], ['SourceChanged', 'c'], ['StoreFull', 'd']);
    expect(await reasonOf(runtime, 'sea', 'run', MAP)).toMatchObject({ code: 'SourceChanged', message: 'c' });
  });

  it('is the cause behind a lost instant, when one was written down', async () => {
    const lost = caught(new LifeboatError('InstantLost', 'none lives'));
    expect(await reasonOf(await record(['StoreFull', 'a']), 'sea', 'run', lost)).toMatchObject({ code: 'StoreFull' });
    expect(await reasonOf(await record(), 'sea', 'run', lost)).toMatchObject({ code: 'InstantLost' });
  });

  it('is the last of what passes, when that went on for too long', async () => {
    expect(await reasonOf(await record(['ConnectionLost', 'a'], ['ConnectionLost', 'b']), 'sea', 'run', MAP)).toMatchObject({
      message: 'b',
    });
  });

  it('is a function that was killed, when a Map failed and nobody could write anything down', async () => {
    expect(await reasonOf(await record(), 'sea', 'run', MAP)).toMatchObject({ code: 'FunctionKilled' });
  });

  it('is not confused by what lies there and is no failure', async () => {
    const runtime = await record(['StoreFull', 'a']);
    await runtime.control.create('sea/runs/run/failures/0-x.json', Buffer.from('{"step":1}'));
    expect(await readFailures(runtime, 'sea', 'run')).toHaveLength(1);
    expect(await reasonOf(runtime, 'sea', 'run', MAP)).toMatchObject({ code: 'StoreFull' });
  });
});

describe('errorOf', () => {
  it('is the error that it was', () => {
    expect(errorOf(failureOfCaught(caught(thrown())))).toMatchObject({
      name: 'SourceChanged',
      message: 'table public.t was truncated',
      hint: 'Start a new backup.',
    });
    expect(errorOf({ step: '', code: 'TypeError', message: 'x is undefined', hint: '' })).toMatchObject({
      name: 'BackupFailed',
      message: 'TypeError: x is undefined',
    });
  });
});

it('what is thrown and is no error has a failure all the same', () => {
  expect(failureOf('dump', 'text')).toEqual({ step: 'dump', code: 'Error', message: 'text', hint: '' });
  expect(failureOf('dump', new TypeError('oops'))).toEqual({ step: 'dump', code: 'TypeError', message: 'oops', hint: '' });
});
