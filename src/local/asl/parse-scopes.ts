import { below, refuse } from './fields.ts';
import type { Chain, Effects, State } from './types.ts';

/** A branch sees the variables around it and can neither assign nor hide them; a distributed Map's children see none. */
export function refuseSharedNames(chain: Chain, path: string, outer: ReadonlySet<string>): void {
  const own = new Set<string>();
  for (const [name, state] of chain.states) {
    for (const variable of assignedBy(state)) {
      if (outer.has(variable))
        refuse(below(below(path, 'States'), name), `$${variable} belongs to an outer scope and cannot be assigned here`);
      own.add(variable);
    }
  }
  const visible = new Set([...outer, ...own]);
  for (const [name, state] of chain.states) {
    const at = below(below(path, 'States'), name);
    if (state.type === 'Parallel')
      for (const [n, branch] of state.branches.entries()) refuseSharedNames(branch, below(below(at, 'Branches'), n), visible);
    if (state.type === 'Map') refuseSharedNames(state.processor, below(at, 'ItemProcessor'), state.mode === 'INLINE' ? visible : new Set());
  }
}

export function* assignedBy(state: State): Iterable<string> {
  for (const effects of effectsOf(state)) {
    if (effects.assign?.kind === 'object') for (const [name] of effects.assign.fields) yield name;
    if (effects.assign?.kind === 'literal') yield* Object.keys(Object(effects.assign.value));
  }
}

function* effectsOf(state: State): Iterable<Effects> {
  if (state.type === 'Fail') return;
  yield state;
  if (state.type === 'Choice') yield* state.choices;
  if ('catch' in state) yield* state.catch;
}
