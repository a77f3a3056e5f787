/** The sections that declare: types, imports, functions, tables, memories, globals, exports, start. */
import type { Draft } from './draft.ts';
import {
  type ExternalKind,
  externalKinds,
  type FunctionType,
  type GlobalType,
  type ImportedEntity,
  type Limits,
  type TableType,
  type ValueType,
  valueTypes,
} from './module.ts';
import { refusedFeature } from './problem.ts';
import { readConstant } from './read-constant.ts';
import type { Reader } from './reader.ts';
import { readReferenceType, readValueType } from './value-types.ts';

const FUNCTION_TYPE = 0x60;
/** `rec`, `sub final`, `sub`, `struct`, `array` (core specification 3.0, 5.3.6). */
const GC_TYPES: readonly number[] = [0x4e, 0x4f, 0x50, 0x5f, 0x5e];
const TAG_KIND = 4;
/** A table with an initial value. */
const TABLE_WITH_VALUE = 0x40;

export function readTypes(reader: Reader, draft: Draft): void {
  for (let left = reader.count('types', draft.bounds.types); left > 0; left--) {
    const offset = reader.position;
    const form = reader.byte();
    if (GC_TYPES.includes(form))
      throw refusedFeature('garbage collection', undefined, reader.place(offset));
    if (form !== FUNCTION_TYPE)
      throw reader.malformed(`there is no form of type 0x${form.toString(16)}`, offset);
    const type: FunctionType = {
      parameters: readValueTypes(reader, 'parameters', draft),
      results: readValueTypes(reader, 'results', draft),
    };
    if (type.results.length > 1) draft.uses('multi-value', reader, offset);
    draft.types.push(type);
  }
}

export function readImports(reader: Reader, draft: Draft): void {
  for (let left = reader.count('imports', draft.bounds.imports); left > 0; left--) {
    const module = reader.name();
    const name = reader.name();
    draft.imports.push({ module, name, entity: readImported(reader, draft) });
  }
}

function readImported(reader: Reader, draft: Draft): ImportedEntity {
  const kind = readKind(reader);
  switch (kind) {
    case 'function': {
      const type = reader.index('type', draft.types.length);
      draft.declareFunction(type, reader);
      return { kind, type };
    }
    case 'table': {
      const type = readTable(reader, draft);
      draft.declareTable(type, reader);
      return { kind, type };
    }
    case 'memory':
      return { kind, type: readMemory(reader, draft) };
    case 'global': {
      const type = readGlobalType(reader, draft);
      draft.declareGlobal(type, reader);
      return { kind, type };
    }
  }
}

export function readFunctions(reader: Reader, draft: Draft): void {
  for (let left = reader.count('functions', draft.bounds.functions); left > 0; left--) {
    const type = reader.index('type', draft.types.length);
    draft.functions.push(type);
    draft.declareFunction(type, reader);
  }
}

export function readTables(reader: Reader, draft: Draft): void {
  for (let left = reader.count('tables', draft.bounds.tables); left > 0; left--) {
    if (reader.bytes[reader.position] === TABLE_WITH_VALUE)
      throw refusedFeature('typed function references', undefined, reader.place());
    const table = readTable(reader, draft);
    draft.tables.push(table);
    draft.declareTable(table, reader);
  }
}

export function readMemories(reader: Reader, draft: Draft): void {
  for (let left = reader.count('memories', reader.end); left > 0; left--)
    draft.memories.push(readMemory(reader, draft));
}

export function readGlobals(reader: Reader, draft: Draft): void {
  for (let left = reader.count('globals', draft.bounds.globals); left > 0; left--) {
    const type = readGlobalType(reader, draft);
    const initial = readConstant(reader, draft);
    draft.globals.push({ ...type, initial });
    // Declared after its constant: that may use the globals before it, not itself.
    draft.declareGlobal(type, reader);
  }
}

export function readExports(reader: Reader, draft: Draft): void {
  const sizes: Record<ExternalKind, number> = {
    function: draft.functionTypes.length,
    table: draft.allTables.length,
    memory: draft.allMemories.length,
    global: draft.allGlobals.length,
  };
  const names = new Set<string>();
  for (let left = reader.count('exports', draft.bounds.exports); left > 0; left--) {
    const offset = reader.position;
    const name = reader.name();
    if (names.has(name))
      throw reader.malformed(`${JSON.stringify(name.slice(0, 100))} is exported twice`, offset);
    names.add(name);
    const kind = readKind(reader);
    draft.exports.push({ name, kind, index: reader.index(kind, sizes[kind]) });
  }
}

export function readStart(reader: Reader, draft: Draft): void {
  draft.start = reader.index('function', draft.functionTypes.length);
}

function readKind(reader: Reader): ExternalKind {
  const offset = reader.position;
  const byte = reader.byte();
  const kind = externalKinds[byte];
  if (kind !== undefined) return kind;
  if (byte === TAG_KIND) throw refusedFeature('exceptions', undefined, reader.place(offset));
  throw reader.malformed(`there is no kind of import or export ${byte}`, offset);
}

function readValueTypes(reader: Reader, what: string, draft: Draft): ValueType[] {
  const types: ValueType[] = [];
  for (let left = reader.count(what, draft.bounds.parameters); left > 0; left--)
    types.push(readType(reader, draft));
  return types;
}

/** Notes what the type is a part of. */
export function readType(reader: Reader, draft: Draft): ValueType {
  const offset = reader.position;
  const type = readValueType(reader);
  if (type === valueTypes.v128) draft.uses('SIMD', reader, offset);
  if (type === valueTypes.externref) draft.uses('reference types', reader, offset);
  return type;
}

function readTable(reader: Reader, draft: Draft): TableType {
  const offset = reader.position;
  const element = readReferenceType(reader);
  if (element === valueTypes.externref || draft.allTables.length > 0)
    draft.uses('reference types', reader, offset);
  return { element, limits: readLimits(reader, 2 ** 32 - 1) };
}

function readMemory(reader: Reader, draft: Draft): Limits {
  const offset = reader.position;
  if (draft.allMemories.length > 0)
    throw refusedFeature('multiple memories', undefined, reader.place(offset));
  const limits = readLimits(reader, 65_536);
  if (limits.shared) draft.uses('threads', reader, offset, 'shared memory');
  draft.allMemories.push(limits);
  return limits;
}

/** Flags: 1 there is a maximum, 2 shared, 4 64 bits wide, 8 pages of another size. */
function readLimits(reader: Reader, most: number): Limits {
  const offset = reader.position;
  const flags = reader.byte();
  if (flags & 0x08) throw refusedFeature('custom page sizes', undefined, reader.place(offset));
  if (flags & 0x04) throw refusedFeature('memory64', undefined, reader.place(offset));
  const shared = (flags & 0x02) !== 0;
  // Only memories are shared, and then they need a maximum: their buffer is never moved.
  if (flags > 0x03 || (shared && (most !== 65_536 || !(flags & 1))))
    throw reader.malformed(`limits with flags ${flags}`, offset);
  const minimum = reader.u32();
  const maximum = flags & 1 ? reader.u32() : undefined;
  if (minimum > most || (maximum !== undefined && (maximum > most || minimum > maximum)))
    throw reader.malformed(`limits from ${minimum} to ${maximum ?? 'any'}`, offset);
  return { minimum, maximum, shared };
}

function readGlobalType(reader: Reader, draft: Draft): GlobalType {
  const type = readType(reader, draft);
  const offset = reader.position;
  const mutable = reader.byte();
  if (mutable > 1) throw reader.malformed(`mutability ${mutable}`, offset);
  return { type, mutable: mutable === 1 };
}
