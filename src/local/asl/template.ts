import type { Json } from '../../backup/types.ts';
import { StatesError } from './errors.ts';
import { evaluate, type Scope } from './expression.ts';
import type { Template } from './types.ts';

/** Fails with States.QueryEvaluationError. The result is always a copy: whoever gets it may keep it. */
export async function render(template: Template, scope: Scope): Promise<Json> {
  switch (template.kind) {
    case 'literal':
      return structuredClone(template.value);
    case 'expression':
      return evaluate(template.expression, scope);
    case 'array': {
      const items: Json[] = [];
      for (const item of template.items) items.push(await render(item, scope));
      return items;
    }
    case 'object': {
      const fields: [string, Json][] = [];
      for (const [name, field] of template.fields) fields.push([name, await render(field, scope)]);
      return Object.fromEntries(fields);
    }
  }
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
}

export async function renderNumber(template: Template, scope: Scope, field: string, bounds: Bounds): Promise<number> {
  const value = await render(template, scope);
  if (typeof value === 'number' && within(value, bounds)) return value;
  throw wrongValue(field, `a ${bounds.whole ? 'whole ' : ''}number from ${bounds.min} to ${bounds.max}`, value);
}

export const within = (value: number, { min, max, whole }: Bounds): boolean =>
  value >= min && value <= max && (!whole || Number.isInteger(value));

export async function renderString(template: Template, scope: Scope, field: string): Promise<string> {
  const value = await render(template, scope);
  if (typeof value === 'string') return value;
  throw wrongValue(field, 'a string', value);
}

export const wrongValue = (field: string, wanted: string, value: Json): StatesError =>
  new StatesError('States.QueryEvaluationError', `${field} must be ${wanted}, not ${JSON.stringify(value).slice(0, 100)}`);
