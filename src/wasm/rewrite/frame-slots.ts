/**
 * How much stack a function's frame may take, in slots of 8 bytes: its locals and parameters, the highest that its
 * operands stand, and what every frame has. The heights follow from the types of blocks and calls alone.
 */
import { EMPTY_BLOCK, InstructionReader } from '../instruction-reader.ts';
import { type Body, type FunctionType, type Module, slotsOf, type ValueType } from '../module.ts';
import { Reader } from '../reader.ts';
import { typesByFunction } from './map-bodies.ts';

/**
 * Return address, frame pointer and what the engine keeps (6 in V8's baseline compiler, whose frames are the largest),
 * and what counting itself needs. test/wasm/bound-stack.test.ts fails when it is too little.
 */
const EVERY_FRAME = 10;

/** What the counter can hold: a frame beyond it fits nowhere. */
const MOST = 2 ** 31 - 1;

export interface Frame {
  readonly slots: number;
  /** Whether the function calls another one. */
  readonly calls: boolean;
}

interface OpenBlock {
  /** Height below the block's parameters. */
  readonly base: number;
  readonly type: Arity;
}

interface Arity {
  readonly parameters: number;
  readonly results: number;
}

/** Measures the frames of one module. */
export class FrameSlots {
  readonly #types: readonly FunctionType[];
  readonly #byFunction: readonly FunctionType[];
  /** Operands whose types nobody follows count as the widest that the module has. */
  readonly #operandSlots: number;

  constructor(module: Module) {
    this.#types = module.types;
    this.#byFunction = typesByFunction(module);
    this.#operandSlots = module.features.has('SIMD') ? 2 : 1;
  }

  frameOf(body: Body, type: FunctionType): Frame {
    const { highest, calls } = this.#operands(body, type);
    // Parameters lie where the caller put them and, as locals, once more; results where the caller wants them.
    const slots =
      EVERY_FRAME +
      2 * sumOf(type.parameters) +
      sumOf(type.results) +
      body.locals.reduce((sum, { count, type: each }) => sum + count * slotsOf(each), 0) +
      highest * this.#operandSlots;
    return { slots: Math.min(slots, MOST), calls };
  }

  #operands({ code }: Body, type: FunctionType): { highest: number; calls: boolean } {
    const read = new InstructionReader(new Reader(code));
    const open: OpenBlock[] = [{ base: 0, type: arityOf(type) }];
    let height = 0;
    let highest = 0;
    let calls = false;
    while (read.next()) {
      const { name, delta } = read.instruction;
      height += delta;
      const block = open.at(-1);
      switch (name) {
        case 'block':
        case 'loop':
        case 'if': {
          const arity = this.#blockType(read.blockType);
          open.push({ base: height - arity.parameters, type: arity });
          break;
        }
        case 'else':
          height = (block?.base ?? 0) + (block?.type.parameters ?? 0);
          break;
        case 'end':
          height = (block?.base ?? 0) + (block?.type.results ?? 0);
          open.pop();
          break;
        case 'call':
        case 'call_indirect':
        case 'return_call':
        case 'return_call_indirect': {
          const direct = read.instruction.immediate === 'function';
          const callee = arityOf((direct ? this.#byFunction : this.#types)[read.index]);
          height += callee.results - callee.parameters;
          calls = true;
          break;
        }
      }
      highest = Math.max(highest, height);
    }
    return { highest, calls };
  }

  #blockType(type: number): Arity {
    if (type >= 0) return arityOf(this.#types[type]);
    return { parameters: 0, results: type === EMPTY_BLOCK ? 0 : 1 };
  }
}

function arityOf(type: FunctionType | undefined): Arity {
  return { parameters: type?.parameters.length ?? 0, results: type?.results.length ?? 0 };
}

function sumOf(types: readonly ValueType[]): number {
  return types.reduce((sum, type) => sum + slotsOf(type), 0);
}
