/** What is computed with, where functions of the program are computed exactly. */
import type { Value } from '../facts.ts';
import type { FunctionValue } from '../tree.ts';
import type { Scope } from './scope.ts';

/** `{path}`: a named thing of the language. */
export type Exact =
  | Value['constant']
  | Exact[]
  | ExactFunction
  | ExactObject
  | { readonly path: string };

export class ExactFunction {
  readonly node: FunctionValue;
  /** Variables around it; absent: those of `scope`, which the program's values fill. */
  readonly around: Environment | undefined;
  readonly scope: Scope;
  constructor(node: FunctionValue, around: Environment | undefined, scope: Scope) {
    this.node = node;
    this.around = around;
    this.scope = scope;
  }
}

export class ExactObject {
  readonly entries = new Map<string, Exact>();
}

export class Environment {
  readonly names = new Map<string, Exact>();
  readonly parent: Environment | undefined;
  constructor(parent: Environment | undefined) {
    this.parent = parent;
  }

  holder(name: string): Environment | undefined {
    for (let at: Environment | undefined = this; at !== undefined; at = at.parent) {
      if (at.names.has(name)) return at;
    }
    return undefined;
  }
}

/** Something is not known. */
export class Inexact {}

/** The program throws. */
export class Thrown {}

export interface ExactLanguage {
  /** A function of the language by path; throws {@link Inexact} where it is not known. */
  call(path: string, args: readonly Exact[]): Exact;
  /** A method of a text, number or list. */
  method(
    machine: Machine,
    value: Exact,
    name: string,
    args: readonly Exact[],
    invoke: (callee: Exact, args: readonly Exact[]) => Exact,
  ): Exact;
  /** A member that is no method. */
  member(value: Exact, key: string): Exact;
  isTrue(value: Exact): boolean;
  /** As operators see it. */
  primitive(value: Exact): Value['constant'];
}

export interface Machine {
  readonly exact: ExactLanguage;
  readonly operate: (operator: string, operands: readonly Value['constant'][]) => Value['constant'];
  stepsLeft: number;
  depth: number;
  readonly free: (name: string, scope: Scope) => Exact;
  readonly assignFree: (name: string, scope: Scope, value: Exact) => void;
  readonly isLate: () => boolean;
}

export function spend(machine: Machine, steps = 1): void {
  machine.stepsLeft -= steps;
  if (machine.stepsLeft <= 0) throw new Inexact();
  if ((machine.stepsLeft & 4095) === 0 && machine.isLate()) throw new Inexact();
}
