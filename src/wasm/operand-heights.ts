/** How high operands stand, instruction by instruction: it follows from the types of blocks and calls alone. */
import { EMPTY_BLOCK, type InstructionReader } from './instruction-reader.ts';
import type { FunctionType } from './module.ts';

interface Arity {
  readonly parameters: number;
  readonly results: number;
}

export class OperandHeights {
  readonly #types: readonly FunctionType[];
  readonly #byFunction: readonly (FunctionType | undefined)[];
  /** Of each open block what stands below its parameters. */
  #open: { readonly base: number; readonly type: Arity }[] = [];
  #height = 0;
  #highest = 0;

  /** @param byFunction types of all functions, imported ones first */
  constructor(types: readonly FunctionType[], byFunction: readonly (FunctionType | undefined)[]) {
    this.#types = types;
    this.#byFunction = byFunction;
  }

  /** Since the function began. */
  get highest(): number {
    return this.#highest;
  }

  begin(type: FunctionType): void {
    this.#open = [{ base: 0, type: arityOf(type) }];
    [this.#height, this.#highest] = [0, 0];
  }

  /** After an instruction was read. */
  follow(read: InstructionReader): void {
    const { name, delta, immediate } = read.instruction;
    this.move(delta);
    const block = this.#open.at(-1);
    switch (name) {
      case 'block':
      case 'loop':
      case 'if': {
        const type = this.#blockType(read.blockType);
        this.#open.push({ base: this.#height - type.parameters, type });
        break;
      }
      case 'else':
        this.#height = (block?.base ?? 0) + (block?.type.parameters ?? 0);
        break;
      case 'end':
        this.#height = (block?.base ?? 0) + (block?.type.results ?? 0);
        this.#open.pop();
        break;
      case 'call':
      case 'call_indirect':
      case 'return_call':
      case 'return_call_indirect': {
        const isDirect = immediate === 'function';
        const callee = arityOf((isDirect ? this.#byFunction : this.#types)[read.index]);
        this.#height += callee.results - callee.parameters;
        break;
      }
    }
    this.touch(0);
  }

  /** So many more from here on. */
  move(delta: number): void {
    this.#height += delta;
    this.touch(0);
  }

  /** So many more for a moment. */
  touch(more: number): void {
    this.#highest = Math.max(this.#highest, this.#height + more);
  }

  #blockType(type: number): Arity {
    if (type >= 0) return arityOf(this.#types[type]);
    return { parameters: 0, results: type === EMPTY_BLOCK ? 0 : 1 };
  }
}

function arityOf(type: FunctionType | undefined): Arity {
  return { parameters: type?.parameters.length ?? 0, results: type?.results.length ?? 0 };
}
