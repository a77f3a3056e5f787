/** Modules for tests, from lines of instructions. */
import { assemble, type Line } from '../../src/wasm/assemble.ts';
import { encode } from '../../src/wasm/encode.ts';
import {
  type Export,
  type FunctionType,
  type Import,
  type Limits,
  type Locals,
  type Module,
  type TableType,
  type ValueTypeName,
  type Verbatim,
  valueTypes,
} from '../../src/wasm/module.ts';

export interface FunctionSketch {
  readonly parameters?: readonly ValueTypeName[];
  readonly results?: readonly ValueTypeName[];
  readonly locals?: readonly ValueTypeName[];
  /** Without the last `end`. */
  readonly code: readonly Line[];
  readonly export?: string;
}

export interface ModuleSketch {
  /** Types besides those of the functions, which come first, one for each function. */
  readonly types?: readonly FunctionType[];
  readonly imports?: readonly Import[];
  readonly functions?: readonly FunctionSketch[];
  readonly memory?: Partial<Limits>;
  readonly tables?: readonly TableType[];
  readonly globals?: readonly { type: ValueTypeName; initial: Line; export?: string }[];
  readonly start?: number;
  readonly elements?: Verbatim;
  readonly data?: Verbatim;
  readonly exports?: readonly Export[];
}

export const NO_BYTES: Verbatim = { count: 0, content: new Uint8Array() };

export function sketch(parts: ModuleSketch): Module {
  const { imports = [], functions = [], globals = [] } = parts;
  const importedFunctions = imports.filter(({ entity }) => entity.kind === 'function').length;
  const importedGlobals = imports.filter(({ entity }) => entity.kind === 'global').length;
  const exported = (
    kind: 'function' | 'global',
    first: number,
    each: readonly { export?: string }[],
  ): Export[] =>
    each.flatMap(({ export: name }, index) =>
      name === undefined ? [] : [{ name, kind, index: first + index }],
    );
  return {
    types: [...functions.map(typeOf), ...(parts.types ?? [])],
    imports,
    functions: functions.map((_, index) => index),
    tables: parts.tables ?? [],
    memories: parts.memory
      ? [{ minimum: 0, maximum: undefined, shared: false, ...parts.memory }]
      : [],
    globals: globals.map(({ type, initial }) => ({
      type: valueTypes[type],
      mutable: true,
      initial: assemble(initial, 'end'),
    })),
    exports: [
      ...exported('function', importedFunctions, functions),
      ...exported('global', importedGlobals, globals),
      ...(parts.memory ? [{ name: 'memory', kind: 'memory', index: 0 } as const] : []),
      ...(parts.exports ?? []),
    ],
    start: parts.start,
    elements: parts.elements ?? NO_BYTES,
    dataCount: parts.data?.count,
    bodies: functions.map(({ locals = [], code }) => ({
      locals: locals.map((name): Locals => ({ count: 1, type: valueTypes[name] })),
      code: assemble(...code, 'end'),
    })),
    data: parts.data ?? NO_BYTES,
    customSections: [],
    features: new Map(),
  };
}

/** The bytes of a sketch: as if a compiler had written them. */
export function build(parts: ModuleSketch): Uint8Array {
  return encode(sketch(parts));
}

export function typeOf({ parameters = [], results = [] }: Partial<FunctionSketch>): FunctionType {
  return {
    parameters: parameters.map((name) => valueTypes[name]),
    results: results.map((name) => valueTypes[name]),
  };
}
