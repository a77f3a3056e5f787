/**
 * The one tree that every language is lowered to: what the analysis needs to know of a program, and no more. A front
 * end (`javascript/`, `python/`, `shell/`) makes it from its syntax tree; nothing after it knows a language's grammar.
 *
 * Places are offsets in UTF-16 units of the source, end exclusive.
 */

export type Expression =
  | Constant
  | Name
  | Member
  | Call
  | FunctionValue
  | Operation
  | Joined
  | List
  | Entries
  | Choice
  | Assignment
  | Through;

interface Spanned {
  readonly start: number;
  readonly end: number;
  /** The interpreter's, so that what it wrote down of a node is found at the node. Front ends leave it out. */
  use?: object | undefined;
}

export interface Constant extends Spanned {
  readonly kind: 'constant';
  readonly value: string | number | bigint | boolean | null | undefined;
  /** The interpreter's, so that one value is made of it. Front ends leave it out. */
  known?: object | undefined;
}

/** A variable, or a global where nothing binds it. */
export interface Name extends Spanned {
  readonly kind: 'name';
  readonly name: string;
  /** The interpreter's, so that each name is looked up once. Front ends leave it out. */
  binding?: object | undefined;
}

/** `object.key`, `object[key]`. */
export interface Member extends Spanned {
  readonly kind: 'member';
  readonly object: Expression;
  readonly key: Expression;
}

/**
 * A call of a function; `command`: of a program by its name, whose `input` is what is piped or redirected into it, and
 * whose value is its output.
 */
export interface Call extends Spanned {
  readonly kind: 'call';
  readonly form: 'call' | 'new' | 'tag' | 'command';
  readonly callee: Expression;
  readonly args: readonly Expression[];
  /** By name: Python's keyword arguments. */
  readonly named?: readonly { readonly name: string; readonly value: Expression }[] | undefined;
  readonly input?: Expression | undefined;
}

export interface FunctionValue extends Spanned {
  readonly kind: 'function';
  readonly name?: string | undefined;
  readonly parameters: readonly Pattern[];
  readonly body: readonly Statement[];
  /** `this` within it is that of where it stands. */
  readonly arrow?: boolean | undefined;
  /** The interpreter's: there is one for each place. Front ends leave it out. */
  closure?: object | undefined;
}

/** An operator of the language over its operands: `+`, `typeof`, `==`, `*` … */
export interface Operation extends Spanned {
  readonly kind: 'operation';
  readonly operator: string;
  readonly operands: readonly Expression[];
}

/** Texts put together: template literals, f-strings, words of a shell. */
export interface Joined extends Spanned {
  readonly kind: 'joined';
  readonly parts: readonly Expression[];
}

/** A `through` with operator `...` among the items is spread. */
export interface List extends Spanned {
  readonly kind: 'list';
  readonly items: readonly Expression[];
  /** The interpreter's: there is one for each place. Front ends leave it out. */
  shape?: object | undefined;
}

/** Objects, dictionaries, the members of a class. An entry without a key is spread. */
export interface Entries extends Spanned {
  readonly kind: 'entries';
  readonly entries: readonly Entry[];
  /** It is a class: calling it makes an object with its entries; the one named `constructor` is called then. */
  readonly isClass?: boolean | undefined;
  /** What a class extends. */
  readonly parent?: Expression | undefined;
  /** The interpreter's: there is one for each place. Front ends leave it out. */
  shape?: object | undefined;
}

export interface Entry {
  readonly key?: Expression | undefined;
  readonly value: Expression;
  /** `value` is the function that is called by reading or writing it. */
  readonly accessor?: 'get' | 'set' | undefined;
}

/** One of several values: `a ? b : c`, `a || b`, `b if a else c`. */
export interface Choice extends Spanned {
  readonly kind: 'choice';
  readonly test?: Expression | undefined;
  readonly options: readonly Expression[];
}

export interface Assignment extends Spanned {
  readonly kind: 'assignment';
  readonly target: Pattern;
  readonly value: Expression;
  /** `+=` is `+`; absent for a plain one. */
  readonly operator?: string | undefined;
  /** Its value is the former one: `x++`. */
  readonly postfix?: boolean | undefined;
}

/** Something that is passed on as it is, or of which nothing more is known: `await x`, `yield x`, `...x`, `x!`. */
export interface Through extends Spanned {
  readonly kind: 'through';
  readonly operator: string;
  readonly of: readonly Expression[];
}

/** What is assigned to, or bound. */
export type Pattern =
  | Name
  | Member
  | (Spanned & { readonly kind: 'list-pattern'; readonly items: readonly (Pattern | undefined)[] })
  | (Spanned & {
      readonly kind: 'entries-pattern';
      readonly entries: readonly { readonly key: Expression; readonly target: Pattern }[];
      readonly rest?: Pattern | undefined;
    })
  | (Spanned & { readonly kind: 'rest-pattern'; readonly target: Pattern })
  | (Spanned & {
      readonly kind: 'default-pattern';
      readonly target: Pattern;
      readonly value: Expression;
    });

export type Statement =
  | (Spanned & { readonly kind: 'evaluate'; readonly expression: Expression })
  /** A declaration. `scope`: what it belongs to. */
  | (Spanned & {
      readonly kind: 'bind';
      readonly scope: 'block' | 'function' | 'module';
      readonly target: Pattern;
      readonly value?: Expression | undefined;
    })
  /** A declared function is known in all of its scope. `exported`: others call it. */
  | (Spanned & {
      readonly kind: 'define';
      readonly name: string;
      readonly value: Expression;
      readonly exported?: boolean | undefined;
    })
  | (Spanned & {
      readonly kind: 'import';
      readonly module: string;
      /** `imported` is `*` for the module itself, `default` for its default export. */
      readonly bindings: readonly { readonly imported: string; readonly local: string }[];
    })
  | (Spanned & {
      readonly kind: 'branch';
      readonly test?: Expression | undefined;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    })
  | (Spanned & {
      readonly kind: 'loop';
      /** Absent: it never ends by itself. */
      readonly test?: Expression | undefined;
      readonly item?: Pattern | undefined;
      /** What `item` is taken from. */
      readonly over?: Expression | undefined;
      /** `item` is an index or a key of it, rather than what stands there: `for … in` of JavaScript. */
      readonly keys?: boolean | undefined;
      /** Evaluated after each turn. */
      readonly update?: Expression | undefined;
      /** The first turn is taken without the test. */
      readonly atLeastOnce?: boolean | undefined;
      readonly body: readonly Statement[];
    })
  | (Spanned & {
      readonly kind: 'try';
      readonly body: readonly Statement[];
      readonly caught?: Pattern | undefined;
      readonly handler: readonly Statement[];
      readonly finalizer: readonly Statement[];
    })
  | (Spanned & {
      readonly kind: 'leave';
      readonly how: 'return' | 'throw' | 'break' | 'continue';
      readonly value?: Expression | undefined;
      /** Of `break` and `continue`: what they leave, where that is not the innermost. */
      readonly target?: string | undefined;
    })
  /** A statement that `break` can leave: what has a label, a `switch` (without one). */
  | (Spanned & {
      readonly kind: 'leavable';
      readonly label?: string | undefined;
      readonly body: readonly Statement[];
    })
  | (Spanned & { readonly kind: 'block'; readonly body: readonly Statement[] });

/** What a front end makes of a source. */
export interface ProgramTree {
  readonly body: readonly Statement[];
  /** How deep the deepest node stands. */
  readonly depth: number;
  readonly nodes: number;
  /** What of it could not be parsed, and was left out. */
  readonly problems: readonly {
    readonly message: string;
    readonly start: number;
    readonly end: number;
  }[];
  readonly comments: readonly { readonly start: number; readonly end: number }[];
}
