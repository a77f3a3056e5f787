/** A decoded module: what rewriting needs is taken apart, the rest is kept as it was written. */
import type { Feature } from './features.ts';
import type { Place } from './problem.ts';
import type { SectionName } from './sections.ts';

/** A value type as its byte in the binary format. */
export const valueTypes = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
} as const;
export type ValueTypeName = keyof typeof valueTypes;
export type ValueType = (typeof valueTypes)[ValueTypeName];

/** How many slots of 8 bytes a value takes at most. */
export function slotsOf(type: ValueType): number {
  return type === valueTypes.v128 ? 2 : 1;
}

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Pages of 64 KiB, or elements. */
export interface Limits {
  readonly minimum: number;
  readonly maximum: number | undefined;
  readonly shared: boolean;
}

export interface TableType {
  readonly element: ValueType;
  readonly limits: Limits;
}

export interface GlobalType {
  readonly type: ValueType;
  readonly mutable: boolean;
}

export interface Global extends GlobalType {
  /** The constant expression with its `end`. */
  readonly initial: Uint8Array;
}

export type ImportedEntity =
  | { readonly kind: 'function'; readonly type: number }
  | { readonly kind: 'table'; readonly type: TableType }
  | { readonly kind: 'memory'; readonly type: Limits }
  | { readonly kind: 'global'; readonly type: GlobalType };

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly entity: ImportedEntity;
}

export const externalKinds = ['function', 'table', 'memory', 'global'] as const;
export type ExternalKind = (typeof externalKinds)[number];

export interface Export {
  readonly name: string;
  readonly kind: ExternalKind;
  readonly index: number;
}

/** A run of locals of one type. */
export interface Locals {
  readonly count: number;
  readonly type: ValueType;
}

export interface Body {
  readonly locals: readonly Locals[];
  /** The instructions with the last `end`. */
  readonly code: Uint8Array;
}

/** A vector whose elements were checked and are kept as they are, without the count. */
export interface Verbatim {
  readonly count: number;
  readonly content: Uint8Array;
}

export interface CustomSection {
  readonly name: string;
  readonly content: Uint8Array;
  /** The section before it; `custom` for none. */
  readonly after: SectionName;
}

export interface Module {
  readonly types: readonly FunctionType[];
  readonly imports: readonly Import[];
  /** Types of the functions that are defined here. */
  readonly functions: readonly number[];
  readonly tables: readonly TableType[];
  readonly memories: readonly Limits[];
  readonly globals: readonly Global[];
  readonly exports: readonly Export[];
  readonly start: number | undefined;
  readonly elements: Verbatim;
  readonly dataCount: number | undefined;
  readonly bodies: readonly Body[];
  readonly data: Verbatim;
  readonly customSections: readonly CustomSection[];
  /** What it uses, each with the first place. */
  readonly features: ReadonlyMap<Feature, FeatureUse>;
}

export interface FeatureUse extends Place {
  readonly instruction: string | undefined;
}

/** Of all functions, imported ones first: the index of the type. */
export function functionTypes(module: Pick<Module, 'imports' | 'functions'>): number[] {
  return [
    ...module.imports.flatMap(({ entity }) => (entity.kind === 'function' ? [entity.type] : [])),
    ...module.functions,
  ];
}

/** Imported ones first, as all indices count. */
export function allGlobals(module: Pick<Module, 'imports' | 'globals'>): GlobalType[] {
  return [
    ...module.imports.flatMap(({ entity }) => (entity.kind === 'global' ? [entity.type] : [])),
    ...module.globals,
  ];
}

export function allTables(module: Pick<Module, 'imports' | 'tables'>): TableType[] {
  return [
    ...module.imports.flatMap(({ entity }) => (entity.kind === 'table' ? [entity.type] : [])),
    ...module.tables,
  ];
}

export function allMemories(module: Pick<Module, 'imports' | 'memories'>): Limits[] {
  return [
    ...module.imports.flatMap(({ entity }) => (entity.kind === 'memory' ? [entity.type] : [])),
    ...module.memories,
  ];
}
