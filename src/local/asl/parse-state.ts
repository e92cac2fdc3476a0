import {
  below,
  expressionAt,
  type Fields,
  fieldsAt,
  listAt,
  numericAt,
  objectAt,
  oneOf,
  optional,
  refuse,
  SECONDS,
  stringAt,
  templateAt,
  textAt,
} from './fields.ts';
import { SECONDS_MAX } from './limits.ts';
import { EFFECTS, effects, GUARDED, guarded, ONWARD, onward, type ParseChain, stateFields } from './parse-flow.ts';
import { parseMap } from './parse-map.ts';
import type { ChoiceState, FailState, ParallelState, State, SucceedState, TaskState, WaitState } from './types.ts';

export function parseState(name: string, value: unknown, path: string, chain: ParseChain): State {
  const type = oneOf(objectAt(value, path)['Type'], below(path, 'Type'), [
    'Task',
    'Parallel',
    'Map',
    'Choice',
    'Wait',
    'Pass',
    'Succeed',
    'Fail',
  ]);
  const only = (allowed: readonly string[], required: readonly string[] = []) => stateFields(value, path, allowed, required);
  switch (type) {
    case 'Task':
      return parseTask(name, only([...GUARDED, 'TimeoutSeconds'], ['Resource', 'Arguments']), path);
    case 'Parallel':
      return parseParallel(name, only([...GUARDED, 'Arguments'], ['Branches']), path, chain);
    case 'Map':
      return parseMap(name, value, path, chain);
    case 'Choice':
      return parseChoice(name, only([...EFFECTS, 'Default'], ['Choices']), path);
    case 'Wait':
      return parseWait(name, only([...ONWARD, 'Seconds', 'Timestamp']), path);
    case 'Pass':
      return { type, name, ...onward(only(ONWARD), path) };
    case 'Succeed':
      return parseSucceed(name, only(['Output']), path);
    case 'Fail':
      return parseFail(name, only(['Cause'], ['Error']), path);
  }
}

function parseTask(name: string, fields: Fields, path: string): TaskState {
  const timeoutSeconds = optional(fields, 'TimeoutSeconds', path, (value, at) => numericAt(value, at, SECONDS));
  const resource = stringAt(fields['Resource'], below(path, 'Resource'));
  return { type: 'Task', name, ...guarded(fields, path), timeoutSeconds, call: parseCall(resource, fields['Arguments'], path) };
}

function parseCall(resource: string, value: unknown, path: string): TaskState['call'] {
  const at = below(path, 'Arguments');
  switch (resource) {
    case 'arn:aws:states:::lambda:invoke': {
      const fields = fieldsAt(value, at, ['Payload'], ['FunctionName']);
      const functionName = textAt(fields['FunctionName'], below(at, 'FunctionName'));
      return { resource: 'lambda', functionName, payload: optional(fields, 'Payload', at, templateAt) };
    }
    case 'arn:aws:states:::states:startExecution.sync:2': {
      const fields = fieldsAt(value, at, ['Input', 'Name'], ['StateMachineArn']);
      const stateMachineArn = textAt(fields['StateMachineArn'], below(at, 'StateMachineArn'));
      return {
        resource: 'execution',
        stateMachineArn,
        input: optional(fields, 'Input', at, templateAt),
        name: optional(fields, 'Name', at, textAt),
      };
    }
    default:
      return refuse(below(path, 'Resource'), `${JSON.stringify(resource)} is not among the resources that Lifeboat uses`);
  }
}

function parseParallel(name: string, fields: Fields, path: string, chain: ParseChain): ParallelState {
  const at = below(path, 'Branches');
  const branches = listAt(fields['Branches'], at).map((branch, n) => chain(branch, below(at, n), []));
  return { type: 'Parallel', name, ...guarded(fields, path), arguments: optional(fields, 'Arguments', path, templateAt), branches };
}

function parseChoice(name: string, fields: Fields, path: string): ChoiceState {
  const at = below(path, 'Choices');
  const choices = listAt(fields['Choices'], at).map((value, n) => {
    const rule = fieldsAt(value, below(at, n), ['Comment', ...EFFECTS], ['Condition', 'Next']);
    const condition = expressionAt(rule['Condition'], below(below(at, n), 'Condition')).expression;
    return { ...effects(rule, below(at, n)), condition, next: stringAt(rule['Next'], below(below(at, n), 'Next')) };
  });
  return { type: 'Choice', name, ...effects(fields, path), choices, default: optional(fields, 'Default', path, stringAt) };
}

function parseWait(name: string, fields: Fields, path: string): WaitState {
  const seconds = optional(fields, 'Seconds', path, (value, at) => numericAt(value, at, { min: 0, max: SECONDS_MAX, whole: true }));
  const timestamp = optional(fields, 'Timestamp', path, textAt);
  if ((seconds === undefined) === (timestamp === undefined)) refuse(path, 'needs either Seconds or Timestamp');
  return { type: 'Wait', name, ...onward(fields, path), seconds, timestamp };
}

const parseSucceed = (name: string, fields: Fields, path: string): SucceedState => ({ type: 'Succeed', name, ...effects(fields, path) });

const parseFail = (name: string, fields: Fields, path: string): FailState => ({
  type: 'Fail',
  name,
  error: textAt(fields['Error'], below(path, 'Error')),
  cause: optional(fields, 'Cause', path, templateAt),
});

export function* nextNames(state: State): Iterable<string> {
  if ('next' in state && state.next !== undefined) yield state.next;
  if ('catch' in state) for (const catcher of state.catch) yield catcher.next;
  if (state.type !== 'Choice') return;
  for (const rule of state.choices) yield rule.next;
  if (state.default !== undefined) yield state.default;
}
