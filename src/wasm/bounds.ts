/** How much of everything the decoder takes. What engines take at most is more (WebAssembly JavaScript interface, "Implementation-defined Limits"). */
export interface Bounds {
  /** The whole module. */
  readonly bytes: number;
  readonly types: number;
  readonly imports: number;
  /** Imported and defined. */
  readonly functions: number;
  readonly tables: number;
  readonly globals: number;
  readonly exports: number;
  /** Element and data segments, each. */
  readonly segments: number;
  readonly customSections: number;
  /** Parameters of a function, and results. */
  readonly parameters: number;
  /** Parameters and locals of a function. Engines take 50,000; rewriting needs a few more. */
  readonly locals: number;
  /** A function's body. */
  readonly bodyBytes: number;
  /** Blocks within blocks. */
  readonly nesting: number;
}

export const defaultBounds: Bounds = {
  bytes: 64 * 2 ** 20,
  types: 100_000,
  imports: 10_000,
  functions: 200_000,
  tables: 100,
  globals: 100_000,
  exports: 100_000,
  segments: 100_000,
  customSections: 1_000,
  parameters: 1_000,
  locals: 49_900,
  bodyBytes: 2 * 2 ** 20,
  nesting: 10_000,
};
