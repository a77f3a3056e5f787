/**
 * What the interpreter finds out about a tree, and what rules look at: uses of named things, with what is known of the
 * values that reach them.
 */
import type { SourceRange } from '../../core/admission.ts';

/** What a value is made of, as bits, so that joining is cheap: see `labels.ts`. */
export type Labels = number;

/** What is known of a value without running anything. */
export interface Value {
  /** Folded, where it is one: texts that were split, encoded or computed are whole here. */
  readonly constant?: string | number | bigint | boolean | null | undefined;
  /**
   * The named thing that it is, canonical and dotted: `node:child_process.exec`, `global.eval`, `py:os.system`,
   * `sh:curl`. A result of calling it is `PATH()`.
   */
  readonly path?: string | undefined;
  readonly labels: Labels;
  /** Uses that it came from, at most 8, in order. */
  readonly origins: readonly Use[];
  /** A folded text was put together of parts, decoded, or reversed: how. */
  readonly hidden?: 'split' | 'encoded' | 'computed' | undefined;
  /** What else it may be, at most 3: values of other branches and assignments. Labels and origins are joined. */
  readonly also?: readonly Value[] | undefined;
  /** Of a list that was written out or built: what stands in it, at most 64. `constant` is then the items that fold, joined by spaces. */
  readonly items?: readonly Value[] | undefined;
  /** Of an object that was written out or built: its properties by name, at most 64. */
  readonly entries?: ReadonlyMap<string, Value> | undefined;
}

/** One place where a named thing is used. */
export interface Use {
  /** Canonical name; see {@link Value.path}. */
  readonly path: string;
  readonly form: 'call' | 'new' | 'tag' | 'command' | 'read' | 'write' | 'import';
  readonly start: number;
  readonly end: number;
  readonly args: readonly Value[];
  readonly named?: Readonly<Record<string, Value>> | undefined;
  /** What is piped or redirected into a command. */
  readonly input?: Value | undefined;
  /** What it is a method of. */
  readonly receiver?: Value | undefined;
  /** The name was reached by a computed key, a folded text or an alias, rather than written there. */
  readonly indirect?: true | undefined;
  /** Stands within a condition: which uses its test was made of. */
  readonly under?: readonly Use[] | undefined;
  /** How many loops it stands in; of which no end was seen. */
  readonly loops: number;
  readonly endlessLoop?: true | undefined;
  /** Number of the function that it stands in; 0: the module itself, run when it is loaded. */
  readonly within: number;
}

/** What a named thing does to values, as far as the interpreter has to know. */
export interface Effect {
  /** Labels of its result; of reading it where `onRead` says so. */
  readonly gives?: Labels;
  /** Reading it is using it already; default only calls and commands are. */
  readonly onRead?: true;
  /** Whether labels of arguments, input and receiver are in its result; default true. */
  readonly passes?: boolean;
  /** Added to labels that pass through: it encodes, compresses, encrypts. */
  readonly marks?: Labels;
  /** Computes its result of constant arguments: decoders, `String.fromCharCode`. Undefined: it cannot. Never throws. */
  readonly fold?: (args: readonly Value[], receiver: Value | undefined) => Value['constant'];
  /** Path of the call's result, where constant arguments decide it: `getattr`, `__import__`. Never throws. */
  readonly names?: (args: readonly Value[]) => string | undefined;
  /** Arguments that are functions are called with values of these labels: callbacks of readers and servers. */
  readonly calls?: Labels;
}

/** By canonical path; undefined: nothing is known of it, labels pass. A path ending in `.*` stands for all below it. */
export type Effects = (path: string) => Effect | undefined;

/** Everything that rules see. */
export interface Facts {
  readonly uses: readonly Use[];
  readonly strings: StringFacts;
  readonly loops: readonly LoopFact[];
  /** Which limit the interpreter stopped at, where it did: what it had found by then stands here. */
  readonly stoppedBy?: 'time' | 'steps';
  readonly range: (start: number, end: number) => SourceRange;
  readonly text: (start: number, end: number) => string;
}

export interface LoopFact {
  readonly start: number;
  readonly end: number;
  readonly endless: boolean;
  /** Number of uses of `await`, calls of timers, of leaving statements within. */
  readonly exits: number;
}

export interface TextFact {
  readonly value: string;
  readonly start: number;
  readonly end: number;
  readonly hidden?: Value['hidden'] | undefined;
}

/** Of constants as they stand in the source. */
export interface StringFacts {
  /** Texts of 3 characters and more, at most 20,000: as they stand in the source, and folded ones (`hidden` says how). */
  readonly texts: readonly TextFact[];
  readonly count: number;
  readonly totalLength: number;
  readonly longest:
    | { readonly start: number; readonly end: number; readonly length: number }
    | undefined;
  /** How many are escapes for the most part (`\x68\x65`), base64 or hexadecimal and longer than 40 characters. */
  readonly escaped: number;
  readonly base64: number;
  readonly hex: number;
  /** Lists of ten and more texts that are indexed by calls of one function: string tables. */
  readonly tables: readonly {
    readonly start: number;
    readonly end: number;
    readonly items: number;
  }[];
}
