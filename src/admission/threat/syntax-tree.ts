/**
 * A concrete syntax tree, copied out of WebAssembly into flat arrays in document order: a node is its index, its
 * descendants stand behind it up to `next`. Walking it costs no call into WebAssembly.
 */

/** What stands where the parser could not go on. */
export const ERROR_TYPE = 0xffff;

/** Names of a grammar, by the numbers that the parser uses. */
export interface Symbols {
  /** By number of a type. */
  readonly types: readonly string[];
  /** By number of a field; 0 is none. */
  readonly fields: readonly (string | null)[];
  readonly isNamed: readonly boolean[];
}

export interface SyntaxProblem {
  readonly message: string;
  readonly start: number;
  readonly end: number;
}

export interface SyntaxArrays {
  readonly count: number;
  readonly types: Uint16Array;
  readonly fields: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly nexts: Int32Array;
}

export class SyntaxTree {
  readonly source: string;
  readonly symbols: Symbols;
  readonly count: number;
  /** What the parser could not read, and where it stopped early. */
  readonly problems: readonly SyntaxProblem[];
  /** They can stand anywhere, and are no nodes here. */
  readonly comments: readonly { readonly start: number; readonly end: number }[];
  readonly #types: Uint16Array;
  readonly #fields: Uint8Array;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #nexts: Int32Array;

  constructor(
    source: string,
    symbols: Symbols,
    arrays: SyntaxArrays,
    problems: readonly SyntaxProblem[],
    comments: SyntaxTree['comments'] = [],
  ) {
    this.source = source;
    this.symbols = symbols;
    this.problems = problems;
    this.comments = comments;
    this.count = arrays.count;
    this.#types = arrays.types;
    this.#fields = arrays.fields;
    this.#starts = arrays.starts;
    this.#ends = arrays.ends;
    this.#nexts = arrays.nexts;
  }

  /** Number of the type in {@link Symbols}, or {@link ERROR_TYPE}. */
  type(node: number): number {
    return this.#types[node] ?? ERROR_TYPE;
  }

  typeName(node: number): string {
    return this.symbols.types[this.type(node)] ?? 'ERROR';
  }

  isNamed(node: number): boolean {
    return this.symbols.isNamed[this.type(node)] ?? true;
  }

  /** Name of the field of its parent that it stands in. */
  field(node: number): string | null {
    return this.symbols.fields[this.#fields[node] ?? 0] ?? null;
  }

  start(node: number): number {
    return this.#starts[node] ?? 0;
  }

  end(node: number): number {
    return this.#ends[node] ?? 0;
  }

  /** The node behind the last descendant. */
  next(node: number): number {
    return this.#nexts[node] ?? this.count;
  }

  text(node: number): string {
    return this.source.slice(this.start(node), this.end(node));
  }

  isLeaf(node: number): boolean {
    return this.next(node) === node + 1;
  }

  children(node: number): number[] {
    const children: number[] = [];
    const end = this.next(node);
    for (let child = node + 1; child < end; child = this.next(child)) children.push(child);
    return children;
  }

  namedChildren(node: number): number[] {
    const children: number[] = [];
    const end = this.next(node);
    for (let child = node + 1; child < end; child = this.next(child)) {
      if (this.isNamed(child)) children.push(child);
    }
    return children;
  }

  /** The first child in a field; -1: there is none. */
  child(node: number, field: string): number {
    const end = this.next(node);
    for (let child = node + 1; child < end; child = this.next(child)) {
      if (this.field(child) === field) return child;
    }
    return -1;
  }

  childrenIn(node: number, field: string): number[] {
    return this.children(node).filter((child) => this.field(child) === field);
  }
}
