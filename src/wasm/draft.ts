/** A module while it is decoded: what is known so far, for the checks of what follows. */
import type { Bounds } from './bounds.ts';
import type { Feature } from './features.ts';
import type {
  Body,
  CustomSection,
  Export,
  FeatureUse,
  FunctionType,
  Global,
  GlobalType,
  Import,
  Limits,
  Module,
  TableType,
  Verbatim,
} from './module.ts';
import { tooLarge } from './problem.ts';
import type { Reader } from './reader.ts';

const NOTHING: Verbatim = { count: 0, content: new Uint8Array() };

export class Draft implements Module {
  readonly bounds: Bounds;
  readonly types: FunctionType[] = [];
  readonly imports: Import[] = [];
  readonly functions: number[] = [];
  readonly tables: TableType[] = [];
  readonly memories: Limits[] = [];
  readonly globals: Global[] = [];
  readonly exports: Export[] = [];
  start: number | undefined;
  elements: Verbatim = NOTHING;
  dataCount: number | undefined;
  readonly bodies: Body[] = [];
  data: Verbatim = NOTHING;
  readonly customSections: CustomSection[] = [];
  readonly features = new Map<Feature, FeatureUse>();
  /** Of all functions, imported ones first: the index of the type. So too below. */
  readonly functionTypes: number[] = [];
  readonly allTables: TableType[] = [];
  readonly allMemories: Limits[] = [];
  readonly allGlobals: GlobalType[] = [];

  constructor(bounds: Bounds) {
    this.bounds = bounds;
  }

  /** Remembers the first use of a feature. */
  uses(feature: Feature, reader: Reader, offset: number, instruction?: string): void {
    if (!this.features.has(feature))
      this.features.set(feature, { ...reader.place(offset), instruction });
  }

  /** Called for everything that has an index of its own among imported and defined things. */
  declareFunction(type: number, reader: Reader): void {
    this.functionTypes.push(type);
    this.#bound('functions', this.functionTypes.length, this.bounds.functions, reader);
  }

  declareTable(type: TableType, reader: Reader): void {
    this.allTables.push(type);
    this.#bound('tables', this.allTables.length, this.bounds.tables, reader);
  }

  declareGlobal(type: GlobalType, reader: Reader): void {
    this.allGlobals.push(type);
    this.#bound('globals', this.allGlobals.length, this.bounds.globals, reader);
  }

  /** What the next stage sees. */
  finish(): Module {
    const { types, imports, functions, tables, memories, globals, exports, start } = this;
    const { elements, dataCount, bodies, data, customSections, features } = this;
    return {
      ...{ types, imports, functions, tables, memories, globals, exports, start },
      ...{ elements, dataCount, bodies, data, customSections, features },
    };
  }

  #bound(what: string, count: number, most: number, reader: Reader): void {
    if (count > most) throw tooLarge(what, count, most, reader.place());
  }
}
