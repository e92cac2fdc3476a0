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
  for (const effects of effectsOf(state)) yield* assignedIn(effects);
}

export function assignedIn({ assign }: Effects): readonly string[] {
  if (assign?.kind === 'object') return assign.fields.map(([name]) => name);
  return assign?.kind === 'literal' ? Object.keys(Object(assign.value)) : [];
}

function* effectsOf(state: State): Iterable<Effects> {
  if (state.type === 'Fail') return;
  yield state;
  if (state.type === 'Choice') yield* state.choices;
  if ('catch' in state) yield* state.catch;
}
