/** What instrumenting adds to code, instruction by instruction. Names are numbers that differ. */
import { EMPTY_BLOCK } from '../../../wasm/instruction-reader.ts';
import { type PatternLine as Line, type Operand, Pattern } from '../../../wasm/pattern.ts';

/** @param fuel The fuel's global; that of the stack is the next. */
export function patternsOf(fuel: number) {
  const stack = fuel + 1;
  const stop: Line[] = [['if', EMPTY_BLOCK], 'unreachable', 'end'];
  const get: Line = ['global.get', fuel];
  const isSpent: Line[] = [get, ['i64.const', 0], 'i64.lt_s', ...stop];
  const pay: Line[] = ['i64.sub', ['global.set', fuel], ...isSpent];
  const length: Line[] = [['local.get', 'length'], 'i64.extend_i32_u', ['i64.const', 'shift']];
  const orNothing: Line[] = [
    ['i64.const', 0],
    ['local.get', 'result'],
    ['i32.const', -1],
  ];
  const grown: Line[] = [...length, 'i64.shl', ...orNothing, 'i32.ne', 'select', ...pay];
  const growth = (...grow: [string, Operand]) =>
    new Pattern(['local.tee', 'length'], grow, ['local.tee', 'result'], get, ...grown);
  const step: Line[] = [['local.get', 'local'], ['i32.const', 'step'], 'i32.add'];
  const next: Line[] = [...step, ['local.tee', 'local']];
  const slots: Line = ['i32.const', 'slots'];
  const left: Line = ['local.get', 'left'];
  const take: Line[] = [['global.get', stack], slots, 'i32.sub', ['local.tee', 'left']];
  return {
    charge: new Pattern(get, ['i64.const', 'price'], ...pay),
    length: new Pattern(['local.tee', 'length'], get, ...length, 'i64.shr_u', ...pay),
    growths: [growth('memory.grow', 0), growth('table.grow', 'table')],
    enter: new Pattern(...take, ['global.set', stack], left, ['i32.const', 0], 'i32.lt_s', ...stop),
    leave: new Pattern(left, slots, 'i32.add', ['global.set', stack], 'end'),
    toZero: new Pattern(...next, ['br_if', 0]),
    until: new Pattern(...next, ['i32.const', 'limit'], 'i32.ne', ['br_if', 0]),
    below: new Pattern(...next, ['i32.const', 'limit'], 'i32.lt_u', ['br_if', 0]),
  };
}
