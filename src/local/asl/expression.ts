import jsonata from 'jsonata';
import type { Json } from '../../backup/types.ts';
import { type References, referencesOf } from './ast.ts';
import { StatesError } from './errors.ts';
import { PURE_FUNCTIONS, type Tools, worldFunctions } from './functions.ts';
import { isRecord, toJson } from './json.ts';
import { EVALUATION_MAX_DEPTH, EVALUATION_MAX_MS, EXPRESSION_MAX_CHARS, SEQUENCE_MAX } from './limits.ts';

/** One JSONata expression, compiled. Step Functions runs JSONata 2 without `$eval`. */
export interface Expression {
  /** Without the delimiters. */
  readonly source: string;
  readonly references: References;
  readonly compiled: jsonata.Expression;
}

export type Variables = Readonly<Record<string, Json>>;

/** What an expression can see. */
export interface Scope {
  readonly variables: Variables;
  readonly states: {
    readonly input: Json;
    readonly context: Json;
    readonly result?: Json;
    readonly errorOutput?: Json;
  };
  readonly tools: Tools;
}

/** Expressions are compiled once a process; the definitions are few, and so are these. */
const CACHE_MAX = 10_000;
const cache = new Map<string, Expression>();

/** `{% … %}`, the whole string. */
export const isDelimited = (text: string): boolean => text.length >= 4 && text.startsWith('{%') && text.endsWith('%}');

/** Throws a SyntaxError that says why; the caller knows where. */
export function compileExpression(text: string): Expression {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const expression = compile(text);
  if (cache.size >= CACHE_MAX) cache.clear();
  cache.set(text, expression);
  return expression;
}

function compile(text: string): Expression {
  if (!isDelimited(text)) throw new SyntaxError('an expression is written {% … %}');
  if (text.length > EXPRESSION_MAX_CHARS) throw new SyntaxError(`an expression has at most ${EXPRESSION_MAX_CHARS} characters`);
  const source = text.slice(2, -2).trim();
  const compiled = parseSource(source);
  const references = referencesOf(compiled.ast());
  if ([...references.names, ...references.optional].includes('eval')) throw new SyntaxError('$eval does not exist in Step Functions');
  for (const [name, implementation] of Object.entries(PURE_FUNCTIONS)) compiled.registerFunction(name, implementation);
  return { source, references, compiled };
}

function parseSource(source: string): jsonata.Expression {
  try {
    return jsonata(source, { timeout: EVALUATION_MAX_MS, stack: EVALUATION_MAX_DEPTH, sequence: SEQUENCE_MAX });
  } catch (error) {
    throw new SyntaxError(`${describe(error)} in {% ${source} %}`);
  }
}

/** Fails with States.QueryEvaluationError, also when the result is nothing, a function or not a number. */
export async function evaluate(expression: Expression, scope: Scope): Promise<Json> {
  // `$eval` is refused when it is named; this takes it away from whoever finds it in another way.
  const bindings = { ...worldFunctions(scope.tools), ...scope.variables, states: scope.states, eval: null };
  try {
    const result: unknown = await expression.compiled.evaluate(undefined, bindings);
    if (result === undefined) throw new TypeError('the expression returned nothing (undefined)');
    return toJson(result);
  } catch (error) {
    throw new StatesError('States.QueryEvaluationError', `${describe(error)} in {% ${expression.source} %}`);
  }
}

/** JSONata throws plain objects with a code. */
function describe(error: unknown): string {
  if (!isRecord(error)) return String(error);
  const code = typeof error['code'] === 'string' ? `${error['code']}: ` : '';
  return `${code}${typeof error['message'] === 'string' ? error['message'] : 'the expression failed'}`;
}
