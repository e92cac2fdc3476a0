import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { ADDED_FUNCTIONS } from '../../src/local/asl/functions.ts';
import { FUNCTIONS } from './builtins.ts';
import { type Finding, lint, lintRules, lintSchema } from './lint.ts';

const RETRY = [{ ErrorEquals: ['Lambda.ServiceException', 'StoreUnavailable'], JitterStrategy: 'FULL' }];
const CATCH = [{ ErrorEquals: ['States.ALL'], Assign: { failure: '{% $states.errorOutput %}' }, Next: 'Failed' }];
const FAILED = { Failed: { Type: 'Fail', Error: '{% $failure.Error %}', Cause: '{% $failure.Cause %}' } };
const task = (more: object = {}) => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::lambda:invoke',
  Arguments: { FunctionName: 'f', Payload: '{% $states.input %}' },
  TimeoutSeconds: 60,
  Retry: RETRY,
  End: true,
  ...more,
});
const guarded = (more: object = {}) => task({ Catch: CATCH, ...more });
const machine = (states: Record<string, unknown>, more: object = {}) => ({
  QueryLanguage: 'JSONata',
  TimeoutSeconds: 600,
  StartAt: Object.keys(states)[0],
  States: states,
  ...more,
});
const distributed = (states: Record<string, unknown>) => ({
  ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
  StartAt: Object.keys(states)[0],
  States: states,
});
const READER = {
  Resource: 'arn:aws:states:::s3:getObject',
  ReaderConfig: { InputType: 'JSONL' },
  Arguments: { Bucket: '{% $plan.bucket %}', Key: '{% $plan.key %}' },
};
const WRITER = { Resource: 'arn:aws:states:::s3:putObject', Arguments: { Bucket: '{% $plan.bucket %}' } };

const sample = (child: Record<string, unknown>, more: object = {}) =>
  machine({
    Plan: guarded({ Assign: { plan: '{% $states.result.Payload %}' }, End: undefined, Next: 'Dump' }),
    Dump: {
      Type: 'Map',
      Label: 'Dump',
      ItemReader: READER,
      ResultWriter: WRITER,
      ItemSelector: { plan: '{% $plan.key %}', line: '{% $states.context.Map.Item.Value %}' },
      ItemProcessor: distributed(child),
      Catch: CATCH,
      Next: 'Done',
      ...more,
    },
    Done: { Type: 'Succeed', Output: '{% $exists($failure) ? $states.input : {} %}' },
    ...FAILED,
  });

const plain = (definition: unknown): unknown => JSON.parse(JSON.stringify(definition));
const texts = (found: readonly Finding[]) => found.map(({ path, rule, message }) => `${rule} at ${path}: ${message}`);
const findings = (definition: unknown) => texts(lintRules(plain(definition)));

describe('the lint accepts', () => {
  it('a machine that is in order', () => {
    expect(findings(sample({ DumpTask: task() }))).toEqual([]);
  });

  it('a task that says why it is not retried', () => {
    const child = { T: { ...task({ Comment: 'Not retried: its connection is gone.' }), Retry: undefined } };
    expect(findings(sample(child))).toEqual([]);
  });

  it('the context of an item within an inline Map', () => {
    const inner = { StartAt: 'I', States: { I: { Type: 'Pass', Output: '{% $states.context.Map.Item.Index %}', End: true } } };
    expect(findings(machine({ M: { Type: 'Map', Items: [1], ItemProcessor: inner, End: true } }))).toEqual([]);
  });
});

describe('the lint finds', () => {
  const noCatch = { ...guarded(), Catch: undefined };
  it.each<[string, unknown, RegExp]>([
    ['what the interpreter refuses', machine({ A: { Type: 'Pass', End: true, ResultPath: '$.x' } }), /^refused .*ResultPath/],
    ['an expression that does not parse', machine({ A: { Type: 'Pass', Output: '{% 1 + %}', End: true } }), /^refused .*Output/],
    [
      'an unknown InputType',
      sample({ T: task() }, { ItemReader: { ...READER, ReaderConfig: { InputType: 'FOO' } } }),
      /^refused .*InputType/,
    ],
    [
      'an ItemReader in an inline Map',
      machine({ M: { Type: 'Map', ItemReader: READER, ItemProcessor: { StartAt: 'I', States: { I: { Type: 'Succeed' } } }, End: true } }),
      /^refused .*ItemReader/,
    ],
    ['an empty ErrorEquals', machine({ T: guarded({ Retry: [{ ErrorEquals: [] }] }), ...FAILED }), /^refused .*ErrorEquals/],
    [
      'States.ALL that is not last',
      machine({ T: guarded({ Catch: [...CATCH, { ErrorEquals: ['DrillFailed'], Next: 'Failed' }] }), ...FAILED }),
      /^refused .*States\.ALL/,
    ],
    ['a machine without a timeout', machine({ S: { Type: 'Succeed' } }, { TimeoutSeconds: undefined }), /^timeout at \$: the machine/],
    ['a task without a timeout', machine({ T: guarded({ TimeoutSeconds: undefined }), ...FAILED }), /^timeout at \$\.States\.T/],
    ['a task without Retry', machine({ T: guarded({ Retry: undefined }), ...FAILED }), /^retry at \$\.States\.T: the task has no Retry/],
    [
      'a Retry without jitter',
      machine({ T: guarded({ Retry: [{ ErrorEquals: ['StoreUnavailable'] }] }), ...FAILED }),
      /^retry .*JitterStrategy/,
    ],
    ['a task that nothing catches', machine({ T: noCatch }), /^catch at \$\.States\.T/],
    [
      'a child whose Map does not catch',
      sample({ T: task() }, { Catch: undefined }),
      /^catch at \$\.States\.Dump\.ItemProcessor\.States\.T/,
    ],
    [
      'a Retry of an error that is not retryable',
      machine({ T: guarded({ Retry: [{ ErrorEquals: ['LoginFailed'], JitterStrategy: 'FULL' }] }), ...FAILED }),
      /^error-name .*LoginFailed/,
    ],
    [
      'a misspelled error',
      machine({ T: guarded({ Retry: [{ ErrorEquals: ['StoreUnavailabel'], JitterStrategy: 'FULL' }] }), ...FAILED }),
      /^error-name .*StoreUnavailabel/,
    ],
    [
      'a misspelled service error',
      machine({ T: guarded({ Retry: [{ ErrorEquals: ['Lambda.ServiceExeption'], JitterStrategy: 'FULL' }] }), ...FAILED }),
      /^error-name/,
    ],
    [
      'a Catch of an error that nobody throws',
      machine({ T: guarded({ Catch: [{ ErrorEquals: ['Oops'], Assign: { failure: 1 }, Next: 'Failed' }] }), ...FAILED }),
      /^error-name .*Oops/,
    ],
    [
      'a variable that is assigned nowhere',
      machine({ A: { Type: 'Pass', Output: '{% $plna %}', End: true } }),
      /^variable at \$\.States\.A\.Output: \$plna is assigned nowhere/,
    ],
    [
      'one within $exists, too',
      machine({ A: { Type: 'Pass', Output: '{% $exists($plna) %}', End: true } }),
      /^variable .*\$plna is assigned nowhere/,
    ],
    [
      'a variable that has a value only on one path',
      sample({ T: task() }, { Output: '{% $failure %}' }),
      /^variable at \$\.States\.Dump\.Output: \$failure has no value on every path/,
    ],
    [
      'a variable that is assigned by the state that reads it',
      machine({ A: { Type: 'Pass', Assign: { x: 1 }, Output: '{% $x %}', End: true } }),
      /^variable .*\$x has no value/,
    ],
    [
      'an outer variable in a distributed child',
      sample({ T: task({ Output: '{% $plan %}' }) }),
      /^variable at \$\.States\.Dump\.ItemProcessor\.States\.T\.Output: \$plan is assigned nowhere/,
    ],
    [
      'a variable of a branch outside of it',
      machine({
        P: { Type: 'Parallel', Branches: [{ StartAt: 'I', States: { I: { Type: 'Pass', Assign: { x: 1 }, End: true } } }], Next: 'S' },
        S: { Type: 'Succeed', Output: '{% $x %}' },
      }),
      /^variable .*\$x is assigned nowhere/,
    ],
    ['a misspelled function', machine({ A: { Type: 'Pass', Output: '{% $strng(1) %}', End: true } }), /^variable .*\$strng/],
    [
      'a variable that hides a function',
      machine({ A: { Type: 'Pass', Assign: { count: 1 }, End: true } }),
      /^variable .*\$count would hide/,
    ],
    [
      'a field that is looked up in nothing',
      machine({ A: { Type: 'Pass', Output: '{% input.x %}', End: true } }),
      /^states .*input is looked up in nothing/,
    ],
    [
      '$states.result where there is none',
      machine({ A: { Type: 'Pass', Output: '{% $states.result %}', End: true } }),
      /^states .*\$states\.result does not exist/,
    ],
    [
      '$states.errorOutput outside of Catch',
      machine({ T: guarded({ Output: '{% $states.errorOutput %}' }), ...FAILED }),
      /^states .*errorOutput/,
    ],
    [
      'a context field that does not exist',
      machine({ A: { Type: 'Pass', Output: '{% $states.context.Task.Token %}', End: true } }),
      /^states .*context\.Task/,
    ],
    ['the item in a distributed child', sample({ T: task({ Output: '{% $states.context.Map.Item.Index %}' }) }), /^states .*context\.Map/],
    ['a large literal', machine({ A: { Type: 'Pass', Output: 'x'.repeat(33_000), End: true } }), /^literal .*Output has more than 32768/],
    ['a distributed Map without ResultWriter', sample({ T: task() }, { ResultWriter: undefined }), /^result-writer/],
    [
      'two states of one name',
      machine({ P: { Type: 'Parallel', Branches: [{ StartAt: 'P', States: { P: { Type: 'Succeed' } } }], End: true } }),
      /two states of one machine/,
    ],
  ])('%s', (_what, definition, expected) => {
    const found = findings(definition);
    expect(found).toEqual([expect.stringMatching(expected)]);
  });

  it('what the schema forbids', () => {
    expect(texts(lintSchema(machine({ A: { Type: 'Pass', Next: 'Nowhere' } })))).toEqual([
      expect.stringMatching(/^schema at \$: .*Nowhere/),
    ]);
    expect(lintSchema(plain(sample({ DumpTask: task() })))).toEqual([]);
  });

  it('a variable that a loop unsets on no path', () => {
    const loop = {
      Set: { Type: 'Pass', Assign: { n: 0 }, Next: 'Count' },
      Count: { Type: 'Pass', Assign: { n: '{% $n + 1 %}', seen: true }, Next: 'Enough' },
      Enough: { Type: 'Choice', Choices: [{ Condition: '{% $n > 3 and $seen %}', Next: 'End' }], Default: 'Count' },
      End: { Type: 'Succeed', Output: '{% $n %}' },
    };
    expect(findings(machine(loop))).toEqual([]);
  });
});

describe('the list of functions', () => {
  it('names only functions that exist', async () => {
    for (const name of FUNCTIONS) {
      if (ADDED_FUNCTIONS.includes(name)) continue;
      expect([name, await jsonata(`$exists($${name})`).evaluate(undefined)]).toEqual([name, true]);
    }
  });
});

describe('state-machines/', () => {
  const folder = join(import.meta.dirname, '../../state-machines');
  const files = readdirSync(folder).filter((file) => file.endsWith('.asl.json'));

  it('holds the machines', () => {
    expect(files.length).toBeGreaterThan(0);
  });

  it.each(files)('%s is in order', (file) => {
    expect(texts(lint(JSON.parse(readFileSync(join(folder, file), 'utf8'))))).toEqual([]);
  });
});
