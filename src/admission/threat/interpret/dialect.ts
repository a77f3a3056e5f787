/** What the interpreter has to know of a language. Everything here is a pure function, and never throws. */

import type { Value } from '../facts.ts';
import type { Call } from '../tree.ts';
import type { ExactLanguage } from './exact-values.ts';
import type { Known } from './known.ts';

export interface Dialect {
  /** Of a name that nothing binds; the same object each time is quicker. */
  globalOf(name: string): Known;
  /** Names of the language or its host: assigning to one does not make it the program's own. */
  isBuiltin(name: string): boolean;
  /** Path of a module by what stands in an import. */
  moduleOf(name: string): string;
  /** Path of a binding of an import: `default` and `*` of JavaScript are the module itself. */
  importedOf(module: string, imported: string): string;
  /** Path of a member; undefined key: it is not known. */
  memberOf(path: string, key: string | undefined): string;
  /** What `this` is where no function binds it. */
  readonly self: Known | undefined;
  /** Key of the function of a class that is run when an object is made. */
  readonly constructorKey: string;
  /** Writes to members of this path are exports. */
  readonly exports: string | undefined;
  /** Calling a class makes an object of it without `new`. */
  readonly callsClasses: boolean;
  /** What functions of the program are computed with; absent: they are not. */
  readonly exact?: ExactLanguage | undefined;
  /** Of constants; undefined: it does not fold. */
  operate(operator: string, operands: readonly Value['constant'][]): Value['constant'];
  /** Shells: what a text stands for as a command, its program and words; absent elsewhere. */
  programOf?(
    text: string,
  ): { readonly path: string; readonly words: readonly string[] } | undefined;
  /** Members of texts, numbers and lists that are no functions: `length`, items by index. */
  propertyOf(value: Known, key: string): Known | undefined;
  /** Its calls are told by {@link call} itself, or are none: `require`, `f.call`, `promise.then`. */
  tellsItself(path: string): boolean;
  /**
   * A call of a named thing or a method (`?.join`) that the language itself defines. Undefined: nothing is known of it
   * beyond its {@link Effect}.
   */
  call(call: DialectCall): Known | undefined;
}

export interface DialectCall {
  readonly node: Call;
  readonly path: string;
  readonly form: Call['form'];
  readonly args: readonly Known[];
  /** Of a command, what is piped into it. */
  readonly receiver: Known | undefined;
  /** What is called. */
  readonly callee: Known;
  readonly host: DialectHost;
}

/** What a dialect may ask of the interpreter. */
export interface DialectHost {
  /** Calls any value; `self` is its receiver. */
  invoke(callee: Known, args: readonly Known[], self: Known | undefined, node: Call): Known;
  member(object: Known, key: Known, node: Call): Known;
  write(object: Known, key: Known, value: Known, node: Call): void;
  list(items: readonly Known[], like?: Known): Known;
  /** Writes down a use that is told in another way than it stands there, and its value by its effect. */
  use(
    node: Call,
    path: string,
    form: 'call' | 'new' | 'import',
    args: readonly Known[],
    receiver?: Known,
  ): Known;
  /** A text that was folded here. */
  tell(node: Call, text: string, hidden: Value['hidden']): void;
  /** Computes a function of the program with these arguments, where that needs nothing from outside. */
  compute(callee: Known, args: readonly Known[]): Known | undefined;
  /** Something is added to a list. */
  append(list: Known, values: readonly Known[], atStart?: boolean): void;
  /** A function whose argument becomes the value that is given back beside it. */
  sink(node: Call): { readonly callee: Known; readonly value: () => Known };
}
