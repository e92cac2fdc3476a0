import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/backup/types.ts';
import { parseJson } from '../../../src/json.ts';
import { compileExpression, evaluate } from '../../../src/local/asl/expression.ts';
import { answer, failure, testWorld } from './support.ts';

const fails = async (expression: string, input: Json = {}) => {
  const { error, cause } = await failure(answer(expression, input));
  expect(error).toBe('States.QueryEvaluationError');
  return cause;
};

describe('an expression', () => {
  it('fails with States.QueryEvaluationError when it gives nothing', async () => {
    expect(await fails('{% $states.input.nothing %}')).toMatch(/returned nothing.*states\.input\.nothing/);
    await fails('{% $unset %}');
  });

  it('fails when one value deep inside a template gives nothing', async () => {
    expect((await failure(answer({ a: [{ b: '{% $states.input.nothing %}' }] }))).error).toBe('States.QueryEvaluationError');
  });

  it.each(['{% $sum %}', '{% function($x) { $x } %}', "{% { 'f': $sum } %}", '{% [function($x) { $x }] %}'])(
    'fails when it gives a function: %s',
    async (text) => {
      expect(await fails(text)).toMatch(/function/);
    },
  );

  it.each(['{% 1 / 0 %}', '{% 0 / 0 %}', "{% $number('x') %}", '{% 10e300 * 10e300 %}', '{% $power(10, 400) %}'])(
    'fails rather than give %s',
    async (text) => {
      await fails(text);
    },
  );

  it('fails on a type error and on $error, with the text', async () => {
    await fails("{% 1 + 'a' %}");
    expect(await fails("{% $error('no such table') %}")).toMatch(/no such table/);
  });

  it('ends when it would never end', async () => {
    expect(await fails('{% ($f := function($n) { 1 + $f($n) }; $f(1)) %}')).toMatch(/D1011/);
  });

  it('may not make sequences without bound', async () => {
    await fails('{% [1..9000000].($ * 2) %}');
  });

  it('gives plain JSON: nothing of JSONata’s sequences is left', async () => {
    const output = await answer('{% $states.input.rows[n > 1].n %}', { rows: [{ n: 1 }, { n: 2 }, { n: 3 }] });
    expect(output).toEqual([2, 3]);
    expect(Object.getOwnPropertyNames(output)).toEqual(['0', '1', 'length']);
  });

  it('turns minus zero into zero', async () => {
    expect(Object.is(await answer('{% -0 %}'), 0)).toBe(true);
  });

  it('keeps a field called __proto__ a field', async () => {
    const input: Json = parseJson('{"__proto__": {"polluted": true}}');
    const output = await answer('{% $states.input %}', input);
    expect(JSON.stringify(output)).toBe('{"__proto__":{"polluted":true}}');
    expect(Object.hasOwn({}, 'polluted')).toBe(false);
  });

  it('gives back any JSON as it came', async () => {
    const expression = compileExpression('{% $states.input %}');
    const scope = (input: Json) => ({ variables: {}, states: { input, context: {} }, tools: { now: () => 0, random: () => 0 } });
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
        const input: Json = parseJson(JSON.stringify(value));
        expect(await evaluate(expression, scope(input))).toEqual(input);
      }),
      { numRuns: 200 },
    );
  });

  it('is compiled once', () => {
    expect(compileExpression('{% 1 + 1 %}')).toBe(compileExpression('{% 1 + 1 %}'));
  });

  it('may be evaluated many times at once', async () => {
    const expression = compileExpression('{% $map([1..50], function($n) { $n * $states.input }) ~> $sum %}');
    const tools = { now: () => 0, random: () => 0 };
    const sums = await Promise.all(
      [1, 2, 3, 4].map((input) => evaluate(expression, { variables: {}, states: { input, context: {} }, tools })),
    );
    expect(sums).toEqual([1275, 2550, 3825, 5100]);
  });

  it.each(['{% 1 + %}', '{% $eval("1") %}', '{% ($f := $eval; $f("1")) %}', '{%%}', 'text {% 1 %}', '{% 1 %} '])(
    'is refused before the run: %s',
    async (text) => {
      await expect(answer({ a: text })).rejects.toThrow(/state machine refused at \$\.States\.Only\.Output\.a/);
    },
  );
});

describe('the functions of Step Functions', () => {
  it.each<[string, Json]>([
    ['$partition([1..5], 2)', [[1, 2], [3, 4], [5]]],
    ['$partition([], 2)', []],
    ['$range(1, 9, 3)', [1, 4, 7]],
    ['$range(3, 1, -1)', [3, 2, 1]],
    ['$range(3, 1, 1)', []],
    ["$hash('a', 'SHA-256')", createHash('sha256').update('a').digest('hex')],
    ["$hash({ 'a': 1 }, 'MD5')", createHash('md5').update('{"a":1}').digest('hex')],
    ['$parse(\'{"a":[1,null]}\').a[0]', 1],
    ['$random(7) = $random(7)', true],
  ])('%s', async (source, expected) => {
    expect(await answer(`{% ${source} %}`)).toEqual(expected);
  });

  it.each(['$partition([1], 0)', '$range(1, 5, 0)', '$range(1, 5000, 1)', "$hash('a', 'CRC')", "$parse('{')", '$parse(1)'])(
    '%s is an error',
    async (source) => {
      await fails(`{% ${source} %}`);
    },
  );

  it('take chance and time from the world', async () => {
    const world = testWorld({ random: () => 0.25 });
    const output = await answer(['{% $random() %}', '{% $uuid() %}', '{% $now() %}', '{% $millis() %}', "{% $now('[Y]') %}"], {}, world);
    expect(output).toEqual([0.25, '44444444-4444-4444-8444-444444444444', '2026-11-21T01:30:00.000Z', world.clock.now(), '2026']);
  });
});
