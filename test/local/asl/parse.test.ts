import { describe, expect, it } from 'vitest';
import { isLifeboatError } from '../../../src/errors.ts';
import { runMachine } from '../../../src/local/asl/machine.ts';
import { parseMachine } from '../../../src/local/asl/parse.ts';
import { EXECUTION, lambda, machineOf, testWorld } from './support.ts';

const chain = (name = 'I', state: object = { Type: 'Pass', End: true }) => ({ StartAt: name, States: { [name]: state } });
const distributed = (more: object = {}) => ({ ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' }, ...chain(), ...more });
const READER = { Resource: 'arn:aws:states:::s3:getObject', ReaderConfig: { InputType: 'JSONL' }, Arguments: { Bucket: 'b', Key: 'k' } };
const WRITER = { Resource: 'arn:aws:states:::s3:putObject', Arguments: { Bucket: 'b' } };
const map = (more: object) => ({ M: { Type: 'Map', ItemProcessor: distributed(), End: true, ...more } });
const task = (more: object) => ({ T: lambda('f', {}, { End: true, ...more }) });
const retry = (...Retry: object[]) => task({ Retry });
const S = { S: { Type: 'Succeed' } };

const refusal = (definition: unknown): string => {
  try {
    parseMachine(definition);
  } catch (error) {
    if (isLifeboatError(error, 'ConfigInvalid')) return error.message.replace('state machine refused at ', '');
    throw error;
  }
  return 'accepted';
};

describe('a definition is refused, by the path of the field', () => {
  it.each<[string, unknown, RegExp]>([
    ['not an object', [], /^\$: must be an object/],
    ['JSONPath as the language', { ...Object(machineOf(S)), QueryLanguage: 'JSONPath' }, /^\$\.QueryLanguage: must be JSONata/],
    ['no language, which means JSONPath', { StartAt: 'S', States: S }, /^\$\.QueryLanguage: is missing/],
    ['an unknown field of the machine', machineOf(S, { Extra: 1 }), /^\$\.Extra: unknown field/],
    [
      'a timeout that is an expression, which AWS takes only in states',
      machineOf(S, { TimeoutSeconds: '{% 5 %}' }),
      /^\$\.TimeoutSeconds: must be a whole number/,
    ],
    ['a timeout of 0', machineOf(S, { TimeoutSeconds: 0 }), /^\$\.TimeoutSeconds/],
    ['no such start', machineOf(S, { StartAt: 'X' }), /^\$\.StartAt: there is no state "X"/],
    ['no states', { QueryLanguage: 'JSONata', StartAt: 'X', States: {} }, /^\$\.StartAt/],
    ['an unknown type', machineOf({ A: { Type: 'Activity' } }), /^\$\.States\.A\.Type: must be Task or .*"Activity"/],
    ['an unknown field', machineOf({ A: { Type: 'Pass', End: true, Typo: 1 } }), /^\$\.States\.A\.Typo: unknown field/],
    ['a path with a strange name', machineOf({ 'Two words': { Type: 'Pass', End: true, Typo: 1 } }), /^\$\.States\["Two words"\]\.Typo/],
    [
      'JSONPath: ResultPath',
      machineOf({ A: { Type: 'Pass', End: true, ResultPath: '$.x' } }),
      /^\$\.States\.A\.ResultPath: this is a field of JSONPath/,
    ],
    ['JSONPath: Parameters', machineOf(task({ Parameters: {} })), /Parameters: this is a field of JSONPath/],
    [
      'JSONPath: x.$ in Arguments',
      machineOf({ T: lambda('f', { 'x.$': '$.x' }) }),
      /^\$\.States\.T\.Arguments\.Payload\["x\.\$"\]: this is a field of JSONPath/,
    ],
    ['JSONPath in one state', machineOf({ A: { Type: 'Pass', QueryLanguage: 'JSONPath', End: true } }), /QueryLanguage: must be JSONata/],
    ['Next to nowhere', machineOf({ A: { Type: 'Pass', Next: 'B' } }), /^\$\.States\.A: it leads to "B"/],
    [
      'Next into another scope',
      machineOf({ P: { Type: 'Parallel', Branches: [chain('I', { Type: 'Pass', Next: 'S' })], Next: 'S' }, ...S }),
      /Branches\[0\]\.States\.I: it leads to "S"/,
    ],
    ['Catch to nowhere', machineOf(task({ Catch: [{ ErrorEquals: ['E'], Next: 'X' }] })), /leads to "X"/],
    ['neither Next nor End', machineOf({ A: { Type: 'Pass' } }), /^\$\.States\.A: needs either Next or End/],
    ['both', machineOf({ A: { Type: 'Pass', Next: 'S', End: true }, ...S }), /needs either/],
    ['End: false', machineOf({ A: { Type: 'Pass', End: false } }), /A\.End: must be true/],
    ['an orphan', machineOf({ ...S, O: { Type: 'Succeed' } }), /^\$\.States\.O: nothing leads to this state/],
    [
      'two states of one name',
      machineOf({ P: { Type: 'Parallel', Branches: [chain(), chain()], End: true } }),
      /Branches\[1\]\.States\.I: two states/,
    ],
    ['a long name', machineOf({ ['x'.repeat(81)]: { Type: 'Succeed' } }), /1 to 80 characters/],
    [
      'an unknown resource',
      machineOf(task({ Resource: 'arn:aws:states:::aws-sdk:rds:createDBSnapshot' })),
      /^\$\.States\.T\.Resource: .*not among the resources/,
    ],
    ['a task token', machineOf(task({ Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken' })), /T\.Resource/],
    ['a function ARN as the resource', machineOf(task({ Resource: 'arn:aws:lambda:us-east-1:0:function:f' })), /T\.Resource/],
    ['the old .sync', machineOf(task({ Resource: 'arn:aws:states:::states:startExecution.sync' })), /T\.Resource/],
    ['HeartbeatSeconds', machineOf(task({ HeartbeatSeconds: 5 })), /T\.HeartbeatSeconds: unknown field/],
    [
      'an unknown argument',
      machineOf(task({ Arguments: { FunctionName: 'f', Payload: {}, InvocationType: 'Event' } })),
      /T\.Arguments\.InvocationType/,
    ],
    ['no function', machineOf(task({ Arguments: { Payload: {} } })), /T\.Arguments\.FunctionName: is missing/],
    [
      'TimeoutSeconds of a Map',
      machineOf({ M: { Type: 'Map', ItemProcessor: chain(), TimeoutSeconds: 5, End: true } }),
      /M\.TimeoutSeconds: unknown/,
    ],
    [
      'Retry of a Choice',
      machineOf({ C: { Type: 'Choice', Choices: [{ Condition: '{% true %}', Next: 'S' }], Retry: [] }, ...S }),
      /C\.Retry: unknown/,
    ],
    ['no choices', machineOf({ C: { Type: 'Choice', Choices: [], Default: 'S' }, ...S }), /C\.Choices: must not be empty/],
    [
      'a Condition that is no expression',
      machineOf({ C: { Type: 'Choice', Choices: [{ Condition: 'true', Next: 'S' }] }, ...S }),
      /Choices\[0\]\.Condition: an expression is written/,
    ],
    [
      'a JSONPath rule',
      machineOf({ C: { Type: 'Choice', Choices: [{ Variable: '$.x', BooleanEquals: true, Next: 'S' }] }, ...S }),
      /Choices\[0\]\.Variable: this is a field of JSONPath/,
    ],
    ['Wait without a time', machineOf({ W: { Type: 'Wait', End: true } }), /W: needs either Seconds or Timestamp/],
    ['Wait with a text', machineOf({ W: { Type: 'Wait', Seconds: '5', End: true } }), /W\.Seconds: an expression is written/],
    ['SecondsPath', machineOf({ W: { Type: 'Wait', SecondsPath: '$.s', End: true } }), /SecondsPath: this is a field of JSONPath/],
    ['Fail without Error', machineOf({ F: { Type: 'Fail' } }), /F\.Error: is missing/],
    ['Fail that goes on', machineOf({ F: { Type: 'Fail', Error: 'E', Next: 'S' }, ...S }), /F\.Next: unknown/],
    ['Assign to states', machineOf({ A: { Type: 'Pass', Assign: { states: 1 }, End: true } }), /Assign\.states: \$states is reserved/],
    ['Assign to a bad name', machineOf({ A: { Type: 'Pass', Assign: { 'a-b': 1 }, End: true } }), /Assign\["a-b"\]: is not the name/],
    [
      'an expression with a mistake',
      machineOf({ A: { Type: 'Pass', Output: { x: ['{% 1 + %}'] }, End: true } }),
      /^\$\.States\.A\.Output\.x\[0\]: S0\d+/,
    ],
    ['half an expression', machineOf({ A: { Type: 'Pass', Output: 'is {% 1 %}', End: true } }), /A\.Output: an expression is written/],
    ['no ErrorEquals', machineOf(retry({})), /Retry\[0\]\.ErrorEquals: is missing/],
    ['empty ErrorEquals', machineOf(retry({ ErrorEquals: [] })), /Retry\[0\]\.ErrorEquals: must not be empty/],
    ['an empty Retry', machineOf(task({ Retry: [] })), /T\.Retry: must not be empty/],
    ['States.ALL not alone', machineOf(retry({ ErrorEquals: ['E', 'States.ALL'] })), /States\.ALL must be alone/],
    [
      'States.ALL not last',
      machineOf(retry({ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['E'] })),
      /Retry\[0\]\.ErrorEquals: States\.ALL must be alone, and in the last/,
    ],
    [
      'States.ALL not last in Catch',
      machineOf({
        ...task({
          Catch: [
            { ErrorEquals: ['States.ALL'], Next: 'S' },
            { ErrorEquals: ['E'], Next: 'S' },
          ],
        }),
        ...S,
      }),
      /Catch\[0\]/,
    ],
    ['IntervalSeconds 0', machineOf(retry({ ErrorEquals: ['E'], IntervalSeconds: 0 })), /IntervalSeconds: must be/],
    ['BackoffRate below 1', machineOf(retry({ ErrorEquals: ['E'], BackoffRate: 0.5 })), /BackoffRate: must be/],
    ['half an attempt', machineOf(retry({ ErrorEquals: ['E'], MaxAttempts: 1.5 })), /MaxAttempts: must be/],
    ['unknown jitter', machineOf(retry({ ErrorEquals: ['E'], JitterStrategy: 'HALF' })), /JitterStrategy: must be FULL or NONE/],
    ['no branches', machineOf({ P: { Type: 'Parallel', Branches: [], End: true } }), /P\.Branches: must not be empty/],
    [
      'an unknown field of a branch',
      machineOf({ P: { Type: 'Parallel', Branches: [{ ...chain(), TimeoutSeconds: 5 }], End: true } }),
      /Branches\[0\]\.TimeoutSeconds/,
    ],
    [
      'INLINE with ItemReader',
      machineOf({ M: { Type: 'Map', ItemReader: READER, ItemProcessor: chain(), End: true } }),
      /M\.ItemReader: belongs to a Map in mode DISTRIBUTED/,
    ],
    [
      'INLINE with ToleratedFailureCount',
      machineOf({ M: { Type: 'Map', ToleratedFailureCount: 1, ItemProcessor: chain(), End: true } }),
      /M\.ToleratedFailureCount/,
    ],
    [
      'Express children',
      machineOf(map({ ItemProcessor: { ...distributed(), ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'EXPRESS' } } })),
      /ExecutionType: must be STANDARD/,
    ],
    ['an unknown mode', machineOf(map({ ItemProcessor: { ...distributed(), ProcessorConfig: { Mode: 'FOO' } } })), /ProcessorConfig\.Mode/],
    ['both Items and ItemReader', machineOf(map({ Items: [1], ItemReader: READER })), /has both Items and ItemReader/],
    [
      'an unknown InputType',
      machineOf(map({ ItemReader: { ...READER, ReaderConfig: { InputType: 'FOO' } } })),
      /ItemReader\.ReaderConfig\.InputType: must be JSONL/,
    ],
    ['CSV', machineOf(map({ ItemReader: { ...READER, ReaderConfig: { InputType: 'CSV' } } })), /InputType/],
    ['listObjectsV2', machineOf(map({ ItemReader: { ...READER, Resource: 'arn:aws:states:::s3:listObjectsV2' } })), /ItemReader\.Resource/],
    ['ItemBatcher', machineOf(map({ ItemBatcher: { MaxItemsPerBatch: 2 } })), /M\.ItemBatcher: unknown/],
    ['the old Iterator', machineOf(map({ Iterator: chain() })), /M\.Iterator: unknown/],
    [
      'half a WriterConfig',
      machineOf(map({ ResultWriter: { ...WRITER, WriterConfig: { OutputType: 'JSON' } } })),
      /WriterConfig\.Transformation: is missing/,
    ],
    ['tolerance without a ResultWriter', machineOf(map({ ToleratedFailurePercentage: 5 })), /M: tolerates failures without a ResultWriter/],
    [
      'a percentage above 100',
      machineOf(map({ ResultWriter: WRITER, ToleratedFailurePercentage: 101 })),
      /ToleratedFailurePercentage: must be/,
    ],
    ['a long label', machineOf(map({ Label: 'x'.repeat(41) })), /M\.Label/],
    [
      'an inner scope that assigns an outer variable',
      machineOf({
        A: { Type: 'Pass', Assign: { v: 1 }, Next: 'P' },
        P: { Type: 'Parallel', Branches: [chain('I', { Type: 'Pass', Assign: { v: 2 }, End: true })], End: true },
      }),
      /^\$\.States\.P\.Branches\[0\]\.States\.I: \$v belongs to an outer scope/,
    ],
    [
      'an inner Catch that assigns a variable of an outer Choice',
      machineOf({
        M: {
          Type: 'Map',
          Items: [1],
          ItemProcessor: {
            StartAt: 'T',
            States: { ...task({ Catch: [{ ErrorEquals: ['E'], Assign: { v: '{% 1 %}' }, Next: 'I' }] }), I: { Type: 'Succeed' } },
          },
          Next: 'C',
        },
        C: { Type: 'Choice', Choices: [{ Condition: '{% true %}', Assign: { v: 1 }, Next: 'S' }] },
        ...S,
      }),
      /ItemProcessor\.States\.T: \$v belongs/,
    ],
    ['more than 1 MiB', machineOf({ A: { Type: 'Pass', Output: 'x'.repeat(1_100_000), End: true } }), /^\$: has 11\d+ bytes/],
  ])('%s', (_what, definition, expected) => {
    expect(refusal(definition)).toMatch(expected);
  });

  it('before anything has run', async () => {
    const world = testWorld({ functions: { f: () => ({}) } });
    const states = { T: lambda('f', {}, { Next: 'B' }), B: { Type: 'Pass', InputPath: '$', End: true } };
    await expect(runMachine(machineOf(states), {}, world, EXECUTION)).rejects.toMatchObject({ code: 'ConfigInvalid' });
    expect([world.calls, world.events]).toEqual([[], []]);
  });
});

describe('a definition is accepted', () => {
  it.each<[string, unknown]>([
    [
      'with comments and everything that is understood',
      machineOf(
        {
          T: {
            ...lambda('dump-task', '{% $states.input %}', { Next: 'M' }),
            Comment: 'dump',
            TimeoutSeconds: '{% 5 %}',
            Retry: [
              {
                ErrorEquals: ['A', 'States.TaskFailed'],
                IntervalSeconds: 1,
                MaxAttempts: 0,
                BackoffRate: 1.5,
                MaxDelaySeconds: 5,
                JitterStrategy: 'FULL',
                Comment: 'why',
              },
              { ErrorEquals: ['States.ALL'] },
            ],
            Catch: [{ ErrorEquals: ['States.ALL'], Assign: { e: '{% $states.errorOutput %}' }, Output: {}, Next: 'S', Comment: 'why' }],
          },
          M: {
            Type: 'Map',
            Label: 'Dump',
            MaxConcurrency: '{% 4 %}',
            ItemReader: { ...READER, ReaderConfig: { InputType: 'JSONL', MaxItems: '{% 5 %}' } },
            ItemSelector: {},
            ResultWriter: { ...WRITER, WriterConfig: { Transformation: 'COMPACT', OutputType: 'JSONL' } },
            ToleratedFailureCount: 0,
            ToleratedFailurePercentage: '{% 0 %}',
            ItemProcessor: distributed({ Comment: 'child' }),
            Next: 'S',
          },
          ...S,
        },
        { Comment: 'c', Version: '1.0', TimeoutSeconds: 3600 },
      ),
    ],
    [
      'with the same variable in two branches',
      machineOf({
        P: {
          Type: 'Parallel',
          Branches: [chain('A', { Type: 'Pass', Assign: { v: 1 }, End: true }), chain('B', { Type: 'Pass', Assign: { v: 1 }, End: true })],
          End: true,
        },
      }),
    ],
    [
      'with a loop',
      machineOf({
        A: { Type: 'Wait', Seconds: 1, Next: 'C' },
        C: { Type: 'Choice', Choices: [{ Condition: '{% false %}', Next: 'A' }], Default: 'S' },
        ...S,
      }),
    ],
  ])('%s', (_what, definition) => {
    expect(refusal(definition)).toBe('accepted');
  });
});
