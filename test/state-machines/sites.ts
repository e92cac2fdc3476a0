import type { Expression } from '../../src/local/asl/expression.ts';
import type { State, Template } from '../../src/local/asl/types.ts';

/** A field of a state that may hold expressions, and what these can see of `$states`. */
export interface Site {
  readonly field: string;
  readonly template: Template;
  readonly sees: readonly string[];
  /** `$states.context.Map` although the state is in no inline Map. */
  readonly seesItem: boolean;
}

export function* sitesOf(state: State): Iterable<Site> {
  const site = (field: string, template: Template | undefined, sees: readonly string[] = [], seesItem = false): Site[] =>
    template === undefined ? [] : [{ field, template, sees: ['input', 'context', ...sees], seesItem }];
  if (state.type !== 'Fail') {
    const result = 'retry' in state ? ['result'] : [];
    yield* [...site('Assign', state.assign, result), ...site('Output', state.output, result)];
  }
  if ('catch' in state) {
    for (const [n, catcher] of state.catch.entries()) {
      yield* site(`Catch[${n}].Assign`, catcher.assign, ['errorOutput']);
      yield* site(`Catch[${n}].Output`, catcher.output, ['errorOutput']);
    }
  }
  switch (state.type) {
    case 'Task':
      yield* site('TimeoutSeconds', state.timeoutSeconds);
      for (const [name, value] of Object.entries(state.call)) if (typeof value === 'object') yield* site(`Arguments (${name})`, value);
      break;
    case 'Parallel':
      yield* site('Arguments', state.arguments);
      break;
    case 'Map':
      yield* site('Items', state.items);
      yield* site('ItemSelector', state.selector, [], true);
      yield* site('MaxConcurrency', state.maxConcurrency);
      yield* site('ToleratedFailureCount', state.toleratedCount);
      yield* site('ToleratedFailurePercentage', state.toleratedPercentage);
      for (const value of Object.values(state.reader ?? {})) yield* site('ItemReader', value);
      yield* site('ResultWriter', state.writer?.bucket);
      yield* site('ResultWriter', state.writer?.prefix);
      break;
    case 'Choice':
      for (const [n, rule] of state.choices.entries()) {
        yield* site(`Choices[${n}].Condition`, { kind: 'expression', expression: rule.condition });
        yield* site(`Choices[${n}].Assign`, rule.assign);
        yield* site(`Choices[${n}].Output`, rule.output);
      }
      break;
    case 'Wait':
      yield* [...site('Seconds', state.seconds), ...site('Timestamp', state.timestamp)];
      break;
    case 'Fail':
      yield* [...site('Error', state.error), ...site('Cause', state.cause)];
  }
}

export function* expressionsIn(template: Template): Iterable<Expression> {
  if (template.kind === 'expression') yield template.expression;
  if (template.kind === 'array') for (const item of template.items) yield* expressionsIn(item);
  if (template.kind === 'object') for (const [, field] of template.fields) yield* expressionsIn(field);
}
