/**
 * The plainest meter there can be, against which fuel is checked: one added before every single instruction, and one
 * for each 8 locals at every entry.
 */
import { assemble } from '../../src/wasm/assemble.ts';
import { InstructionReader } from '../../src/wasm/instruction-reader.ts';
import { allGlobals, type Module, valueTypes } from '../../src/wasm/module.ts';
import { Reader } from '../../src/wasm/reader.ts';
import { Writer } from '../../src/wasm/writer.ts';

const FREE = new Set(['nop', 'block', 'loop', 'else', 'end']);

/** Exports `count`. */
export function countInstructions(module: Module): Module {
  const count = allGlobals(module).length;
  const initial = assemble(['i64.const', 0], 'end');
  const one = assemble(['global.get', count], ['i64.const', 1], 'i64.add', ['global.set', count]);
  return {
    ...module,
    globals: [...module.globals, { type: valueTypes.i64, mutable: true, initial }],
    exports: [...module.exports, { name: 'count', kind: 'global', index: count }],
    bodies: module.bodies.map(({ locals, code }) => {
      const out = new Writer();
      const slots = locals.reduce((sum, each) => sum + each.count, 0);
      for (let left = slots; left >= 8; left -= 8) out.bytes(one);
      const read = new InstructionReader(new Reader(code));
      while (read.next()) {
        if (!FREE.has(read.instruction.name)) out.bytes(one);
        out.bytes(code.subarray(read.start, read.end));
      }
      return { locals, code: out.finish() };
    }),
  };
}
