/**
 * How deep calls go, by a counter instead of by what is left of the engine's stack, which depends on the engine, on
 * what it compiled how, and on the caller. Every function that calls takes its frame's slots when it is entered and
 * gives them back when it is left; a small one that calls nothing is above the last counted frame by itself alone.
 */
import { assemble, type Line } from '../assemble.ts';
import { EMPTY_BLOCK, InstructionReader } from '../instruction-reader.ts';
import { type Body, type FunctionType, type Module, valueTypes } from '../module.ts';
import { Reader } from '../reader.ts';
import { Writer } from '../writer.ts';
import { FrameSlots } from './frame-slots.ts';
import { mapBodies, ScratchLocals } from './map-bodies.ts';
import { addCounter, STACK_EXPORT } from './reserved-exports.ts';

/** Frames up to this are not counted where they call nothing. */
const SMALL_LEAF = 64;

/**
 * Exports the global {@link STACK_EXPORT}, `slots` (of 8 bytes) at first. What a trap or a host function's exception
 * leaves without returning is not given back: set it again before the next call from outside.
 *
 * @param uncounted of the functions that are defined: those whose frames somebody else has bounded; by default small
 *   ones that call nothing
 * @throws CaissonError `WASM_REFUSED` where the module exports that name
 */
export function boundStack(
  module: Module,
  slots: number,
  uncounted?: (index: number) => boolean,
): Module {
  const frames = new FrameSlots(module);
  const initial = assemble(['i32.const', slots], 'end');
  const counter = addCounter(module, STACK_EXPORT, valueTypes.i32, initial);
  const blockTypes = new BlockTypes(module);
  const counted = mapBodies(counter.module, (body, type, index) => {
    const frame = frames.frameOf(body, type);
    if (uncounted?.(index) ?? (!frame.calls && frame.slots <= SMALL_LEAF)) return body;
    return countFrame(body, type, frame.slots, counter.index, blockTypes);
  });
  return { ...counted, types: blockTypes.types };
}

/** The body becomes a block, so that whatever returned before ends at one place. */
function countFrame(
  body: Body,
  type: FunctionType,
  slots: number,
  stack: number,
  blockTypes: BlockTypes,
): Body {
  const scratch = new ScratchLocals(body, type);
  const left = scratch.of('stack', valueTypes.i32);
  const giveBack: Line[] = [
    ['local.get', left],
    ['i32.const', slots],
    'i32.add',
    ['global.set', stack],
  ];
  const enter = assemble(
    ['global.get', stack],
    ['i32.const', slots],
    'i32.sub',
    ['local.tee', left],
    ['global.set', stack],
    ['local.get', left],
    ['i32.const', 0],
    'i32.lt_s',
    ['if', EMPTY_BLOCK],
    'unreachable',
    'end',
    ['block', blockTypes.returning(type)],
  );
  const out = new Writer(body.code.length + 128).bytes(enter);
  copyWithoutReturns(body.code, out, assemble(...giveBack));
  out.bytes(assemble(...giveBack, 'end'));
  return { locals: scratch.all, code: out.finish() };
}

/** Labels keep their meaning: the one that was the function's is now the block's. */
function copyWithoutReturns(code: Uint8Array, out: Writer, giveBack: Uint8Array): void {
  const read = new InstructionReader(new Reader(code));
  let copied = 0;
  let depth = 0;
  while (read.next()) {
    switch (read.instruction.name) {
      case 'block':
      case 'loop':
      case 'if':
        depth++;
        break;
      case 'end':
        depth--;
        break;
      case 'return':
        out.bytes(code, copied, read.start).bytes(assemble(['br', depth]));
        copied = read.end;
        break;
      case 'return_call':
      case 'return_call_indirect':
        out.bytes(code, copied, read.start).bytes(giveBack);
        copied = read.start;
        break;
    }
  }
  out.bytes(code, copied);
}

/** Types of blocks that give a function's results: from nothing to the same. */
class BlockTypes {
  readonly types: FunctionType[];
  readonly #byResults = new Map<string, number>();

  constructor({ types }: Module) {
    this.types = [...types];
    for (const [index, { parameters, results }] of types.entries())
      if (parameters.length === 0) this.#byResults.set(results.join(), index);
  }

  /** As a block's immediate: a byte for none and one, else the index of a type, added where there is none yet. */
  returning({ results }: FunctionType): number {
    const [only, ...others] = results;
    if (only === undefined) return EMPTY_BLOCK;
    if (others.length === 0) return only - 0x80;
    const key = results.join();
    const known = this.#byResults.get(key);
    if (known !== undefined) return known;
    this.#byResults.set(key, this.types.length);
    return this.types.push({ parameters: [], results }) - 1;
  }
}
