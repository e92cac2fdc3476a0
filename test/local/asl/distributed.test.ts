import { describe, expect, it } from 'vitest';
import { runMachine } from '../../../src/local/asl/machine.ts';
import { EXECUTION, failure, lambda, machineOf, named, run, type TestWorld, testWorld, types } from './support.ts';

const CONFIG = { ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } };
const processor = (states: object) => ({ ...CONFIG, StartAt: Object.keys(states)[0], States: states });
const echo = processor({ I: { Type: 'Pass', End: true } });
const distributed = (more: object, itemProcessor: object = echo) => ({
  M: { Type: 'Map', Label: 'Dump', ItemProcessor: itemProcessor, End: true, ...more },
});
const reader = (more: object = {}, config: object = {}) => ({
  ItemReader: {
    Resource: 'arn:aws:states:::s3:getObject',
    ReaderConfig: { InputType: 'JSONL', ...config },
    Arguments: { Bucket: '{% $states.input.bucket %}', Key: 'plan.jsonl' },
  },
  ...more,
});
const writer = (config?: object) => ({
  ResultWriter: {
    Resource: 'arn:aws:states:::s3:putObject',
    Arguments: { Bucket: 'b', Prefix: "{% 'results/' & $states.context.Execution.Name %}" },
    ...(config === undefined ? {} : { WriterConfig: config }),
  },
});

const withPlan = (text: string, functions: Parameters<typeof testWorld>[0] = {}): TestWorld => {
  const world = testWorld(functions);
  world.objects.set('b/plan.jsonl', text);
  return world;
};

const read = (world: TestWorld, ending: string): string => {
  const found = [...world.objects].filter(([key]) => key.endsWith(ending));
  expect(found.map(([key]) => key)).toHaveLength(1);
  return found[0]?.[1] ?? '';
};

describe('the ItemReader', () => {
  it('reads JSONL: one item a line, empty lines skipped, the last with or without a newline', async () => {
    const world = withPlan('{"t":"ä€😀"}\n\n[1]\r\n  \n"x"\nnull');
    expect(await run(distributed(reader()), { bucket: 'b' }, world)).toEqual([{ t: 'ä€😀' }, [1], 'x', null]);
  });

  it('stops at MaxItems, a number or an expression', async () => {
    expect(await run(distributed(reader({}, { MaxItems: 2 })), { bucket: 'b' }, withPlan('1\n2\n3\n'))).toEqual([1, 2]);
    expect(
      await run(distributed(reader({}, { MaxItems: '{% $states.input.n %}' })), { bucket: 'b', n: 1 }, withPlan('1\n2\nbroken')),
    ).toEqual([1]);
  });

  it.each([
    ['1\nbroken\n', /item 1 is not JSON/],
    ['', /holds no items/],
    ['\n\n', /holds no items/],
    [`"${'x'.repeat(300_000)}"`, /more than 262144/],
  ])('fails with States.ItemReaderFailed: %#', async (text, expected) => {
    const { error, cause } = await failure(run(distributed(reader()), { bucket: 'b' }, withPlan(text)));
    expect(error).toBe('States.ItemReaderFailed');
    expect(cause).toMatch(expected);
  });

  it('fails with States.ItemReaderFailed when the object is missing, which a Catch can catch', async () => {
    const states = {
      ...distributed(reader({ Catch: [{ ErrorEquals: ['States.ItemReaderFailed'], Next: 'C' }] })),
      C: { Type: 'Succeed', Output: 'caught' },
    };
    expect(await run(states, { bucket: 'elsewhere' }, withPlan('1'))).toBe('caught');
  });
});

describe('a child of a distributed Map', () => {
  it('is an execution of its own', async () => {
    const world = withPlan('{"t":1}\n{"t":2}\n');
    const child = processor({ I: { Type: 'Pass', Output: '{% $states.context %}', End: true } });
    const [first, second] = JSON.parse(JSON.stringify(await run(distributed(reader(), child), { bucket: 'b' }, world)));
    expect(first).toMatchObject({ Execution: { Input: { t: 1 } }, StateMachine: { Name: 'backup/Dump' }, State: { Name: 'I' } });
    expect(first.Execution.Id).toBe(`arn:aws:states:local:000000000000:execution:backup/Dump:${first.Execution.Name}`);
    expect(first.Execution.Name).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(second.Execution.Name).not.toBe(first.Execution.Name);
    expect(first.Map).toBeUndefined();
  });

  it('sees no variables from outside, and may use their names for its own', async () => {
    const peek = processor({ I: { Type: 'Pass', Output: '{% $outer %}', End: true } });
    const outside = { Set: { Type: 'Pass', Assign: { outer: 'secret' }, Next: 'M' } };
    const { error } = await failure(run({ ...outside, ...distributed(reader(), peek) }, { bucket: 'b' }, withPlan('1')));
    expect(error).toBe('States.ExceedToleratedFailureThreshold');
    const own = processor({
      S: { Type: 'Pass', Assign: { outer: 'mine' }, Next: 'I' },
      I: { Type: 'Pass', Output: '{% $outer %}', End: true },
    });
    expect(await run({ ...outside, ...distributed(reader(), own) }, { bucket: 'b' }, withPlan('1'))).toEqual(['mine']);
  });

  it('gets what ItemSelector makes, which sees the outer variables', async () => {
    const states = {
      Set: { Type: 'Pass', Assign: { outer: 'o' }, Next: 'M' },
      ...distributed(
        reader({
          ItemSelector: { o: '{% $outer %}', i: '{% $states.context.Map.Item.Index %}', v: '{% $states.context.Map.Item.Value.t %}' },
        }),
      ),
    };
    expect(await run(states, { bucket: 'b' }, withPlan('{"t":"a"}\n{"t":"b"}'))).toEqual([
      { o: 'o', i: 0, v: 'a' },
      { o: 'o', i: 1, v: 'b' },
    ]);
  });

  it('has a history of its own', async () => {
    const world = withPlan('1\n2\n');
    await run(distributed(reader()), { bucket: 'b' }, world);
    const executions = new Set(world.events.map((event) => event.execution));
    expect(executions.size).toBe(3);
    const parent = world.events.filter((event) => event.execution === EXECUTION.id).map((event) => event.type);
    expect(parent).toEqual([
      'ExecutionStarted',
      'MapStateEntered',
      'MapStateStarted',
      'MapRunStarted',
      'MapRunSucceeded',
      'MapStateSucceeded',
      'MapStateExited',
      'ExecutionSucceeded',
    ]);
  });

  it('lets the parent’s history stay small however many there are', async () => {
    const world = withPlan(Array.from({ length: 9000 }, (_, n) => n).join('\n'));
    await run({ ...distributed(reader({ Output: 'done' })) }, { bucket: 'b' }, world);
    expect(world.events.filter((event) => event.execution === EXECUTION.id)).toHaveLength(8);
  });

  it('runs with Items, too', async () => {
    expect(await run(distributed({ Items: [1, 2] }))).toEqual([1, 2]);
  });
});

describe('failures of children', () => {
  const poisoned = (...bad: number[]) => ({
    functions: {
      f: (payload: unknown) => {
        if (bad.includes(Number(payload))) throw named('Poisoned', `item ${payload}`);
        return { n: Number(payload) };
      },
    },
  });
  const calling = processor({ F: lambda('f', '{% $states.input %}', { Output: '{% $states.result.Payload %}', End: true }) });
  const plan = '0\n1\n2\n3\n';

  it('fail the Map with States.ExceedToleratedFailureThreshold; none is tolerated unless said', async () => {
    for (const more of [{}, { ToleratedFailurePercentage: 0 }, { ToleratedFailureCount: 0 }]) {
      const outcome = run(distributed(reader({ MaxConcurrency: 1, ...more }), calling), { bucket: 'b' }, withPlan(plan, poisoned(1)));
      expect(await failure(outcome)).toMatchObject({
        error: 'States.ExceedToleratedFailureThreshold',
        cause: 'The specified tolerated failure threshold was exceeded',
      });
    }
  });

  it.each([
    [{ ToleratedFailureCount: 1 }, [1], true],
    [{ ToleratedFailureCount: 1 }, [1, 2], false],
    [{ ToleratedFailurePercentage: 50 }, [1, 2], true],
    [{ ToleratedFailurePercentage: 49.9 }, [1, 2], false],
    [{ ToleratedFailureCount: '{% 1 + 1 %}', ToleratedFailurePercentage: '{% 25 %}' }, [1, 2], false],
    [{ ToleratedFailureCount: '{% 1 + 1 %}', ToleratedFailurePercentage: 100 }, [1, 2], true],
  ])('are tolerated up to the smaller threshold: %j, bad items %j', async (more, bad, succeeds) => {
    const world = withPlan(plan, poisoned(...bad));
    const outcome = run(distributed(reader({ ...writer(), ...more }), calling), { bucket: 'b' }, world);
    if (succeeds) expect(await outcome).toHaveProperty('ResultWriterDetails');
    else expect((await failure(outcome)).error).toBe('States.ExceedToleratedFailureThreshold');
  });

  it('stop the others: no further state is entered, functions are not told', async () => {
    const world: TestWorld = withPlan('0\n1\n2\n', {
      functions: {
        f: async (payload) => {
          await world.clock.sleep(payload === 0 ? 1000 : 5000);
          if (payload === 0) throw named('Poisoned');
          return {};
        },
        g: () => ({}),
      },
    });
    const twice = processor({ F: lambda('f', '{% $states.input %}', { Next: 'G' }), G: lambda('g', {}) });
    await failure(run(distributed(reader({ MaxConcurrency: 2 }), twice), { bucket: 'b' }, world));
    await world.clock.sleep(60_000);
    expect(world.calls.map((call) => call.name)).toEqual(['f', 'f']);
    expect(world.calls.map((call) => call.call.signal.aborted)).toEqual([false, false]);
    expect(types(world)).toContain('ExecutionAborted');
  });

  it('turn even States.DataLimitExceeded and States.Runtime of a child into an error that States.ALL catches', async () => {
    const big = processor({ I: { Type: 'Pass', Output: "{% $join([1..300].('x' & $pad('', 1000))) %}", End: true } });
    const states = {
      ...distributed(reader({ Catch: [{ ErrorEquals: ['States.ALL'], Next: 'C' }] }), big),
      C: { Type: 'Succeed', Output: '{% $states.input.Error %}' },
    };
    expect(await run(states, { bucket: 'b' }, withPlan('1'))).toBe('States.ExceedToleratedFailureThreshold');
  });
});

describe('the ResultWriter', () => {
  const half = processor({
    C: { Type: 'Choice', Choices: [{ Condition: '{% $states.input = 1 %}', Next: 'F' }], Default: 'P' },
    P: { Type: 'Pass', Output: ['{% $states.input %}', 'ok'], End: true },
    F: { Type: 'Fail', Error: 'Bad', Cause: 'one is bad' },
  });
  const all = (config: object) => distributed(reader({ ...writer(config), ToleratedFailurePercentage: 100 }), half);

  it('answers the place of a manifest that lists the files', async () => {
    const world = withPlan('0\n1\n2\n');
    const output = JSON.parse(JSON.stringify(await run(all({ Transformation: 'NONE', OutputType: 'JSONL' }), { bucket: 'b' }, world)));
    const id = output.MapRunArn.split(':').at(-1);
    expect(output).toEqual({
      MapRunArn: `arn:aws:states:local:000000000000:mapRun:backup/Dump:${id}`,
      ResultWriterDetails: { Bucket: 'b', Key: `results/run-1/${id}/manifest.json` },
    });
    const folder = `results/run-1/${id}`;
    const size = (name: string) => Buffer.byteLength(world.objects.get(`b/${folder}/${name}`) ?? '');
    expect(JSON.parse(read(world, 'manifest.json'))).toEqual({
      DestinationBucket: 'b',
      MapRunArn: output.MapRunArn,
      ResultFiles: {
        FAILED: [{ Key: `${folder}/FAILED_0.jsonl`, Size: size('FAILED_0.jsonl') }],
        PENDING: [],
        SUCCEEDED: [{ Key: `${folder}/SUCCEEDED_0.jsonl`, Size: size('SUCCEEDED_0.jsonl') }],
      },
    });
  });

  it('writes the whole description with NONE, in the order of the items', async () => {
    const world = withPlan('0\n1\n2\n');
    await run(all({ Transformation: 'NONE', OutputType: 'JSONL' }), { bucket: 'b' }, world);
    const lines = read(world, 'SUCCEEDED_0.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      {
        Input: '0',
        Output: '[0,"ok"]',
        Status: 'SUCCEEDED',
        StateMachineArn: 'arn:aws:states:local:000000000000:stateMachine:backup/Dump',
      },
      { Input: '2', Output: '[2,"ok"]', Status: 'SUCCEEDED' },
    ]);
  });

  it('writes outputs alone with COMPACT, joined with FLATTEN; failures always whole', async () => {
    const compact = withPlan('0\n1\n2\n');
    await run(all({ Transformation: 'COMPACT', OutputType: 'JSONL' }), { bucket: 'b' }, compact);
    expect(read(compact, 'SUCCEEDED_0.jsonl')).toBe('[0,"ok"]\n[2,"ok"]\n');
    expect(JSON.parse(read(compact, 'FAILED_0.jsonl'))).toMatchObject({ Error: 'Bad', Cause: 'one is bad', Status: 'FAILED', Input: '1' });
    const flat = withPlan('0\n1\n2\n');
    await run(all({ Transformation: 'FLATTEN', OutputType: 'JSON' }), { bucket: 'b' }, flat);
    expect(JSON.parse(read(flat, 'SUCCEEDED_0.json'))).toEqual([0, 'ok', 2, 'ok']);
  });

  it('writes what there is when the Map fails, before it fails', async () => {
    const world = withPlan('0\n1\n2\n3\n');
    const states = distributed(reader({ ...writer({ Transformation: 'COMPACT', OutputType: 'JSONL' }), MaxConcurrency: 1 }), half);
    expect((await failure(run(states, { bucket: 'b' }, world))).error).toBe('States.ExceedToleratedFailureThreshold');
    expect(read(world, 'SUCCEEDED_0.jsonl')).toBe('[0,"ok"]\n');
    expect(JSON.parse(read(world, 'FAILED_0.jsonl')).Error).toBe('Bad');
    expect(read(world, 'PENDING_0.jsonl').trimEnd().split('\n')).toHaveLength(2);
  });

  it('fails with States.ResultWriterFailed when it cannot write', async () => {
    const world = withPlan('0\n', { writeObject: () => Promise.reject(new Error('disk full')) });
    const { error, cause } = await failure(run(all({ Transformation: 'COMPACT', OutputType: 'JSON' }), { bucket: 'b' }, world));
    expect([error, cause]).toEqual(['States.ResultWriterFailed', expect.stringMatching(/disk full/)]);
  });

  it('keeps the result small where the outputs would not fit', async () => {
    const big = processor({ I: { Type: 'Pass', Output: "{% $join([1..100].($pad('', 1000, 'x'))) %}", End: true } });
    const without = run(distributed(reader({}), big), { bucket: 'b' }, withPlan('1\n2\n3\n'));
    expect((await failure(without)).error).toBe('States.DataLimitExceeded');
    expect(await run(distributed(reader(writer()), big), { bucket: 'b' }, withPlan('1\n2\n3\n'))).toHaveProperty('ResultWriterDetails');
  });
});

describe('many children', () => {
  it('run MaxConcurrency at a time', async () => {
    const seen = { now: 0, most: 0 };
    const world: TestWorld = withPlan(Array.from({ length: 60 }, (_, n) => n).join('\n'), {
      functions: {
        f: async () => {
          seen.now += 1;
          seen.most = Math.max(seen.most, seen.now);
          await world.clock.sleep(1000);
          seen.now -= 1;
          return {};
        },
      },
    });
    const calling = processor({ F: lambda('f', {}) });
    const before = world.clock.now();
    await runMachine(
      machineOf(distributed(reader({ MaxConcurrency: '{% $states.input.n %}', Output: {} }), calling)),
      { bucket: 'b', n: 50 },
      world,
      EXECUTION,
    );
    expect([seen.most, world.clock.now() - before]).toEqual([50, 2000]);
  });
});
