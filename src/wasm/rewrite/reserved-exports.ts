/** What rewriting adds to the exports of a module, for the host alone. */
import type { CaissonError } from '../../core/error.ts';
import type { ExternalKind, Module, ValueType } from '../module.ts';
import { allGlobals } from '../module.ts';
import { refused } from '../problem.ts';

/** A mutable i64: instructions left. Negative: ran out. */
export const FUEL_EXPORT = 'caisson.fuel';
/** A mutable i32: slots of stack left. Negative: ran out. */
export const STACK_EXPORT = 'caisson.stack';
/** The module's start function, which the host calls once and before anything else. */
export const START_EXPORT = 'caisson.start';

const RESERVED = 'caisson.';

/** @throws CaissonError `WASM_REFUSED` where the module itself exports such a name */
export function refuseReserved({ exports }: Module): void {
  for (const { name } of exports) if (name.startsWith(RESERVED)) throw reserved(name);
}

/** @throws CaissonError `WASM_REFUSED` where the name is taken */
export function addExport(module: Module, name: string, kind: ExternalKind, index: number): Module {
  if (module.exports.some((each) => each.name === name)) throw reserved(name);
  return { ...module, exports: [...module.exports, { name, kind, index }] };
}

function reserved(name: string): CaissonError {
  return refused(
    `the module exports ${name}, a name that is kept for the host`,
    `export it under a name that does not begin with ${RESERVED}`,
    { export: name },
  );
}

/** Adds a mutable global behind all others, so that no index moves. Code that was checked cannot name it. */
export function addCounter(
  module: Module,
  name: string,
  type: ValueType,
  initial: Uint8Array,
): { readonly module: Module; readonly index: number } {
  const index = allGlobals(module).length;
  const globals = [...module.globals, { type, mutable: true, initial }];
  return { module: addExport({ ...module, globals }, name, 'global', index), index };
}
