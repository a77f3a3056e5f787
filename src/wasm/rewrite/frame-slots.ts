/**
 * How much stack a function's frame may take, in slots of 8 bytes: its locals and parameters, the highest that its
 * operands stand, and what every frame has. The heights follow from the types of blocks and calls alone.
 */
import { InstructionReader } from '../instruction-reader.ts';
import { type Body, type FunctionType, type Module, slotsOf, type ValueType } from '../module.ts';
import { OperandHeights } from '../operand-heights.ts';
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

const CALLS = new Set('call call_indirect return_call return_call_indirect'.split(' '));

/** Measures the frames of one module. */
export class FrameSlots {
  readonly #heights: OperandHeights;
  /** Operands whose types nobody follows count as the widest that the module has. */
  readonly #operandSlots: number;

  constructor(module: Module) {
    this.#heights = new OperandHeights(module.types, typesByFunction(module));
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
    this.#heights.begin(type);
    let calls = false;
    while (read.next()) {
      this.#heights.follow(read);
      calls ||= CALLS.has(read.instruction.name);
    }
    return { highest: this.#heights.highest, calls };
  }
}

function sumOf(types: readonly ValueType[]): number {
  return types.reduce((sum, type) => sum + slotsOf(type), 0);
}
