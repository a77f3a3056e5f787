/** Edits at random places, and in which way a module that was edited is another one. */
import { decode } from '../../../src/wasm/decode.ts';
import type { Module } from '../../../src/wasm/module.ts';
import { instructionsOf } from './mutants.ts';

/** One to three bytes are flipped, replaced, taken out or put in. */
export function edit(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  const out = [...bytes];
  for (let left = 1 + below(3); left > 0; left--) {
    const at = 8 + below(out.length - 8);
    const kind = below(8);
    if (kind < 4) out[at] = (out[at] ?? 0) ^ (1 << below(8));
    else if (kind < 6) out[at] = below(256);
    else if (kind === 6) out.splice(at, 1);
    else out.splice(at, 0, below(256));
  }
  return Uint8Array.from(out);
}

/** What the theorem says nothing of; `undefined` for anything else. */
export function differenceOf(before: Uint8Array, after: Uint8Array): string | undefined {
  const [one, other] = [decode(before), decode(after)];
  const differs = (part: keyof Module): boolean => shown(one[part]) !== shown(other[part]);
  if (differs('bodies')) return bodiesDiffer(one, other);
  for (const [part, what] of Object.entries(UNSAID)) if (differs(part as keyof Module)) return what;
  const same = Object.keys(one).every(
    (part) => part === 'features' || !differs(part as keyof Module),
  );
  return same ? 'nothing' : undefined;
}

/** Parts of a module that may be anything, as far as the bounds are concerned. */
const UNSAID: Partial<Record<keyof Module, string>> = {
  data: 'what memory holds at first',
  elements: 'which functions a table holds at first',
  globals: 'what a global of its own holds at first',
  customSections: 'names for people',
  types: 'a type that no function is of',
  dataCount: 'how many segments of data are announced',
  functions: 'of which type a function is',
};

function shown(part: unknown): string {
  return JSON.stringify(part, (_, value) => (value instanceof Map ? [...value] : value));
}

function bodiesDiffer(one: Module, other: Module): string | undefined {
  for (const [i, { code, locals }] of one.bodies.entries()) {
    const changed = other.bodies[i];
    if (changed === undefined) return undefined;
    if (shown(locals) !== shown(changed.locals)) return 'of which types locals are';
    const [before, after] = [instructionsOf(code), instructionsOf(changed.code)];
    if (shown(code) === shown(changed.code)) continue;
    const at = before.findIndex((each, j) => each.name !== after[j]?.name);
    if (at < 0) return 'what an instruction is given: a constant, an index, a place in memory';
    return before.length === after.length
      ? 'an instruction instead of another that costs as much'
      : 'instructions that cost no more than those before';
  }
  return undefined;
}
