/** Constant expressions: initial values of globals, offsets of segments (core specification 3.3.10). */
import type { Draft } from './draft.ts';
import { InstructionReader } from './instruction-reader.ts';
import type { Reader } from './reader.ts';

const CONSTANT = new Set(
  'i32.const i64.const f32.const f64.const v128.const ref.null ref.func global.get end'.split(' '),
);
const EXTENDED = new Set('i32.add i32.sub i32.mul i64.add i64.sub i64.mul'.split(' '));

/** Its bytes, with the `end`. */
export function readConstant(reader: Reader, draft: Draft): Uint8Array {
  const begin = reader.position;
  const read = new InstructionReader(reader);
  while (read.next()) {
    const { name } = read.instruction;
    if (name === 'end') return reader.bytes.subarray(begin, reader.position);
    if (EXTENDED.has(name)) draft.uses('extended constants', reader, read.start, name);
    else if (!CONSTANT.has(name)) throw reader.malformed(`${name} is not constant`, read.start);
    if (read.feature !== undefined) draft.uses(read.feature, reader, read.start, name);
    if (name === 'global.get' && read.index >= draft.allGlobals.length)
      throw reader.malformed(`there is no global ${read.index} yet`, read.start);
    if (name === 'global.get' && read.index >= draft.allGlobals.length - draft.globals.length)
      draft.uses('constants of own globals', reader, read.start, name);
    if (name === 'ref.func' && read.index >= draft.functionTypes.length)
      throw reader.malformed(`there is no function ${read.index}`, read.start);
  }
  throw reader.malformed('unexpected end');
}
