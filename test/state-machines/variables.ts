import { assignedIn } from '../../src/local/asl/parse-scopes.ts';
import type { Chain, Effects, State } from '../../src/local/asl/types.ts';

/** Which variables surely have a value when each state of the scope is entered. */
export function assignedBefore(chain: Chain, outer: ReadonlySet<string>): ReadonlyMap<string, ReadonlySet<string>> {
  const before = new Map<string, ReadonlySet<string>>([[chain.startAt, outer]]);
  const open = [chain.startAt];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const state = chain.states.get(name);
    const here = before.get(name);
    if (state === undefined || here === undefined) continue;
    for (const edge of edgesOf(state)) {
      const known = before.get(edge.to);
      const after = new Set([...here, ...assignedIn(edge.effects)]);
      // On every path: what two paths have in common.
      const both = known === undefined ? after : new Set([...known].filter((variable) => after.has(variable)));
      if (known !== undefined && both.size === known.size) continue;
      before.set(edge.to, both);
      open.push(edge.to);
    }
  }
  return before;
}

function* edgesOf(state: State): Iterable<{ readonly to: string; readonly effects: Effects }> {
  if ('next' in state && state.next !== undefined) yield { to: state.next, effects: state };
  if ('catch' in state) for (const catcher of state.catch) yield { to: catcher.next, effects: catcher };
  if (state.type !== 'Choice') return;
  for (const rule of state.choices) yield { to: rule.next, effects: rule };
  if (state.default !== undefined) yield { to: state.default, effects: state };
}
