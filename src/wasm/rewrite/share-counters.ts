/**
 * Counters of several modules as one: modules that are linked with one another use up the same fuel and the same stack.
 */
import { InstructionReader } from '../instruction-reader.ts';
import type { Body, GlobalType, Import, Module } from '../module.ts';
import { refused } from '../problem.ts';
import { Reader } from '../reader.ts';
import { Writer } from '../writer.ts';
import { mapBodies } from './map-bodies.ts';
import { FUEL_EXPORT, STACK_EXPORT } from './reserved-exports.ts';

/** The module's name of what it imports from the host: {@link FUEL_EXPORT} and {@link STACK_EXPORT}, where it has them. */
export const COUNTERS_MODULE = 'caisson.counters';

/**
 * The counters that rewriting defined are imported instead, by the names that they are exported by. To be done last.
 *
 * @throws CaissonError `WASM_REFUSED` where the module imports from {@link COUNTERS_MODULE} itself, or has constants that
 *   are other globals of its own (their indices move)
 */
export function shareCounters(module: Module): Module {
  refuseOwn(module);
  const imported = module.imports.filter(({ entity }) => entity.kind === 'global').length;
  const counters = module.exports.filter(
    ({ name, kind }) => kind === 'global' && (name === FUEL_EXPORT || name === STACK_EXPORT),
  );
  if (counters.length === 0) return module;
  const moved = new Map<number, number>();
  const isCounter = (index: number): boolean => counters.some((each) => each.index === index);
  counters.forEach(({ index }, position) => {
    moved.set(index, imported + position);
  });
  let next = imported + counters.length;
  for (let index = imported; index < imported + module.globals.length; index++) {
    if (!isCounter(index)) moved.set(index, next++);
  }
  const indexOf = (index: number): number => moved.get(index) ?? index;
  const shared = mapBodies(module, (body) => moveGlobals(body, indexOf));
  return {
    ...shared,
    imports: [...module.imports, ...counters.map((each) => counterImport(module, imported, each))],
    globals: module.globals.filter((_, index) => !isCounter(imported + index)),
    exports: module.exports.map((each) =>
      each.kind === 'global' ? { ...each, index: indexOf(each.index) } : each,
    ),
  };
}

function counterImport(
  { globals }: Module,
  imported: number,
  { name, index }: { readonly name: string; readonly index: number },
): Import {
  const { type, mutable } = globals[index - imported] as GlobalType;
  return { module: COUNTERS_MODULE, name, entity: { kind: 'global', type: { type, mutable } } };
}

function moveGlobals(body: Body, indexOf: (index: number) => number): Body {
  const { code } = body;
  const out = new Writer(code.length + 16);
  const read = new InstructionReader(new Reader(code));
  let copied = 0;
  while (read.next()) {
    if (read.instruction.immediate !== 'global') continue;
    out.bytes(code, copied, read.immediates).u32(indexOf(read.index));
    copied = read.end;
  }
  return { ...body, code: out.bytes(code, copied).finish() };
}

function refuseOwn({ imports, features }: Module): void {
  if (imports.some(({ module }) => module === COUNTERS_MODULE)) {
    const hint = 'link it under another name';
    throw refused(`the module imports from ${COUNTERS_MODULE}, a name of the host's`, hint, {});
  }
  const use = features.get('constants of own globals');
  if (use === undefined) return;
  throw refused(
    `a constant of the module is another global of its own (${use.section}, offset 0x${use.offset.toString(16)})`,
    'write the constant itself',
    { ...use },
  );
}
