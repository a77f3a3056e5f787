/** What there is to know of a module before it is given anything. */
import type { Feature } from './features.ts';
import {
  allGlobals,
  allMemories,
  allTables,
  type ExternalKind,
  type FunctionType,
  functionTypes,
  type GlobalType,
  type Limits,
  type Module,
  type TableType,
} from './module.ts';
import { nameOfType } from './value-types.ts';

export interface Described {
  readonly kind: ExternalKind;
  /** `(i32, i64) -> (f32)`, `memory 1..16`, `table funcref 2..`, `mutable i64`. */
  readonly type: string;
}

export interface Inspection {
  readonly imports: readonly (Described & { readonly module: string; readonly name: string })[];
  readonly exports: readonly (Described & { readonly name: string })[];
  /** Imported ones first; pages of 64 KiB. */
  readonly memories: readonly Limits[];
  readonly tables: readonly Limits[];
  /** Bytes of code, and of segments. */
  readonly codeBytes: number;
  readonly dataBytes: number;
  readonly largestBodyBytes: number;
  /** Defined here. */
  readonly functions: number;
  readonly globals: number;
  /** Whether there is a start function. */
  readonly start: boolean;
  readonly features: readonly Feature[];
  readonly customSections: readonly string[];
}

export function inspect(module: Module): Inspection {
  const tables = allTables(module);
  const memories = allMemories(module);
  const types: Record<ExternalKind, readonly string[]> = {
    function: functionTypes(module).map((type) => showFunction(module.types[type])),
    table: tables.map(showTable),
    memory: memories.map((memory) => `memory ${showLimits(memory)}`),
    global: allGlobals(module).map(showGlobal),
  };
  const describe = (kind: ExternalKind, index: number): Described => ({
    kind,
    type: types[kind][index] ?? '',
  });
  const imported: Record<ExternalKind, number> = { function: 0, table: 0, memory: 0, global: 0 };
  const codeSizes = module.bodies.map(({ code }) => code.length);
  return {
    // Imported things have the first indices of their kind, in this order.
    imports: module.imports.map(({ module: from, name, entity: { kind } }) => ({
      module: from,
      name,
      ...describe(kind, imported[kind]++),
    })),
    exports: module.exports.map(({ name, kind, index }) => ({ name, ...describe(kind, index) })),
    memories,
    tables: tables.map(({ limits }) => limits),
    codeBytes: codeSizes.reduce((sum, size) => sum + size, 0),
    dataBytes: module.data.content.length + module.elements.content.length,
    largestBodyBytes: codeSizes.reduce((largest, size) => Math.max(largest, size), 0),
    functions: module.functions.length,
    globals: module.globals.length,
    start: module.start !== undefined,
    features: [...module.features.keys()].sort(),
    customSections: module.customSections.map(({ name }) => name),
  };
}

function showFunction(type: FunctionType | undefined): string {
  const { parameters = [], results = [] } = type ?? {};
  return `(${parameters.map(nameOfType).join(', ')}) -> (${results.map(nameOfType).join(', ')})`;
}

export function showTable({ element, limits }: TableType): string {
  return `table ${nameOfType(element)} ${showLimits(limits)}`;
}

function showGlobal({ type, mutable }: GlobalType): string {
  return `${mutable ? 'mutable ' : ''}${nameOfType(type)}`;
}

export function showLimits({ minimum, maximum, shared }: Limits): string {
  return `${minimum}..${maximum ?? ''}${shared ? ' shared' : ''}`;
}
