import type jsonata from 'jsonata';
import { isRecord } from './json.ts';

/** What an expression refers to that it does not bind itself. */
export interface References {
  /** Variables and functions, without `$`; each once. */
  readonly names: readonly string[];
  /** Those that may be unset: only asked for by `$exists(…)`, or used where that has answered yes. */
  readonly optional: readonly string[];
  /** Paths below `$states`, up to two fields: `input`, `context.Execution`. */
  readonly states: readonly string[];
  /** Fields that are looked up in nothing: `input.x` where `$states.input.x` was meant. */
  readonly rootless: readonly string[];
}

interface Found {
  readonly names: Set<string>;
  readonly optional: Set<string>;
  readonly states: Set<string>;
  readonly rootless: Set<string>;
}

interface Position {
  readonly bound: ReadonlySet<string>;
  /** Whether there is a value that a bare field name would be looked up in. */
  readonly context: boolean;
  /** Whether an unset variable is allowed here, or these of them. */
  readonly optional: boolean | ReadonlySet<string>;
}

type Node = Readonly<Record<string, unknown>>;

export function referencesOf(ast: jsonata.ExprNode): References {
  const found: Found = { names: new Set(), optional: new Set(), states: new Set(), rootless: new Set() };
  visit(ast, { bound: new Set(), context: false, optional: false }, found);
  const names = [...found.names];
  return {
    names,
    optional: [...found.optional].filter((name) => !found.names.has(name)),
    states: [...found.states],
    rootless: [...found.rootless],
  };
}

function visit(node: unknown, at: Position, found: Found): void {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, at, found);
    return;
  }
  if (!isRecord(node)) return;
  switch (node['type']) {
    case 'variable':
      visitVariable(node, at, found);
      break;
    case 'name':
      visitName(node, at, found);
      break;
    case 'path':
      visitPath(node, at, found);
      break;
    case 'lambda':
      visit(node['body'], { ...at, bound: withNames(at.bound, node['arguments']), context: true }, found);
      break;
    case 'block':
      visitBlock(node, at, found);
      break;
    case 'bind':
      visit(node['rhs'], at, found);
      break;
    case 'transform':
      visitChildren(node, { ...at, context: true }, found, ['type', 'position']);
      break;
    case 'condition':
      visitGuarded(node['condition'], node['then'], at, found);
      visit(node['else'], at, found);
      break;
    case 'binary':
      if (node['value'] === 'and') visitGuarded(node['lhs'], node['rhs'], at, found);
      else visitChildren(node, at, found, ['type', 'value', 'position']);
      break;
    case 'function':
    case 'partial':
      visitCall(node, at, found);
      break;
    default:
      visitChildren(node, at, found, ['type', 'value', 'position']);
  }
}

function visitName(node: Node, at: Position, found: Found): void {
  if (!at.context && typeof node['value'] === 'string') found.rootless.add(node['value']);
  visitChildren(node, { ...at, context: true }, found, ['type', 'value', 'position']);
}

function visitVariable(node: Node, at: Position, found: Found): void {
  const name = String(node['value']);
  if (name !== '' && name !== '$' && !at.bound.has(name)) (mayBeUnset(name, at) ? found.optional : found.names).add(name);
  visitChildren(node, { ...at, context: true }, found, ['type', 'value', 'position']);
}

const mayBeUnset = (name: string, at: Position): boolean => at.optional === true || (at.optional !== false && at.optional.has(name));

/** What is evaluated only when the condition holds may use what the condition has found to exist. */
function visitGuarded(condition: unknown, guarded: unknown, at: Position, found: Found): void {
  visit(condition, at, found);
  const known = at.optional === true || at.optional === false ? [] : at.optional;
  visit(guarded, at.optional === true ? at : { ...at, optional: new Set([...known, ...existing(condition)]) }, found);
}

function* existing(condition: unknown): Iterable<string> {
  if (!isRecord(condition)) return;
  if (condition['type'] === 'block' && Array.isArray(condition['expressions'])) yield* existing(condition['expressions'].at(-1));
  if (condition['type'] === 'binary' && condition['value'] === 'and') {
    yield* existing(condition['lhs']);
    yield* existing(condition['rhs']);
  }
  if (!asksExistence(condition)) return;
  const [argument]: readonly unknown[] = Array.isArray(condition['arguments']) ? condition['arguments'] : [];
  if (isRecord(argument) && argument['type'] === 'variable') yield String(argument['value']);
}

function asksExistence(node: Node): boolean {
  const procedure = node['procedure'];
  return node['type'] === 'function' && isRecord(procedure) && procedure['type'] === 'variable' && procedure['value'] === 'exists';
}

function visitPath(node: Node, at: Position, found: Found): void {
  const steps = Array.isArray(node['steps']) ? node['steps'] : [];
  noteStates(steps, at, found);
  let bound = at.bound;
  for (const [n, step] of steps.entries()) {
    // Its own predicates see them already.
    bound = withNames(bound, [...namesBoundBy(step)]);
    visit(step, { ...at, bound, context: at.context || n > 0 }, found);
  }
  visitChildren(node, { ...at, bound, context: true }, found, ['type', 'steps', 'position']);
}

function noteStates(steps: readonly unknown[], at: Position, found: Found): void {
  const [first, ...rest] = steps;
  if (!isRecord(first) || first['type'] !== 'variable' || first['value'] !== 'states' || at.bound.has('states')) return;
  const fields = rest.slice(0, 2).map((step) => (isRecord(step) && step['type'] === 'name' ? String(step['value']) : '*'));
  found.states.add(fields.join('.'));
}

/** `@$x` and `#$i` bind a name for the steps that follow. */
function* namesBoundBy(step: unknown): Iterable<unknown> {
  if (!isRecord(step)) return;
  yield { value: step['focus'] };
  yield { value: step['index'] };
  const stages = Array.isArray(step['stages']) ? step['stages'] : [];
  for (const stage of stages) if (isRecord(stage) && stage['type'] === 'index') yield { value: stage['value'] };
}

function visitBlock(node: Node, at: Position, found: Found): void {
  let bound = at.bound;
  const expressions = Array.isArray(node['expressions']) ? node['expressions'] : [];
  for (const expression of expressions) {
    const binds = isRecord(expression) && expression['type'] === 'bind';
    // A function may call itself, so the name is bound before its value is visited.
    if (binds) bound = withNames(bound, [expression['lhs']]);
    visit(expression, { ...at, bound }, found);
  }
}

function visitCall(node: Node, at: Position, found: Found): void {
  const procedure = node['procedure'];
  visit(procedure, at, found);
  visit(node['arguments'], asksExistence(node) ? { ...at, optional: true } : at, found);
  visitChildren(node, at, found, ['type', 'value', 'position', 'procedure', 'arguments', 'name']);
}

function visitChildren(node: Node, at: Position, found: Found, except: readonly string[]): void {
  for (const [field, child] of Object.entries(node)) if (!except.includes(field) && typeof child === 'object') visit(child, at, found);
}

function withNames(bound: ReadonlySet<string>, variables: unknown): ReadonlySet<string> {
  const list: readonly unknown[] = Array.isArray(variables) ? variables : [];
  const names = list.flatMap((variable) => (isRecord(variable) && typeof variable['value'] === 'string' ? [variable['value']] : []));
  return names.length === 0 ? bound : new Set([...bound, ...names]);
}
