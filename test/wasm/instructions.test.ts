/** The table of instructions against the engine: every name, opcode, immediate and effect on the height of the stack. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble, type Line } from '../../src/wasm/assemble.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { isRefused } from '../../src/wasm/features.ts';
import { allInstructions, type Instruction } from '../../src/wasm/instructions.ts';
import { valueTypes } from '../../src/wasm/module.ts';
import { build } from './build-module.ts';
import { engine } from './engine.ts';

const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

/** Immediates that are right wherever they may stand in {@link module}. */
const IMMEDIATES: Readonly<Record<Instruction['immediate'], readonly number[]>> = {
  none: [],
  'block type': [-0x40],
  label: [0],
  labels: [1, 0, 0],
  function: [0],
  'indirect call': [0, 0],
  types: [1, valueTypes.i32],
  local: [0],
  global: [0],
  table: [0],
  'two tables': [0, 0],
  'element and table': [0, 0],
  element: [0],
  data: [0],
  'memory argument': [0, 0],
  'memory argument and lane': [0, 0, 0],
  memory: [0],
  'two memories': [0, 0],
  'data and memory': [0, 0],
  i32: [0],
  i64: [0],
  '1 byte': [0],
  '4 bytes': zeros(4),
  '8 bytes': zeros(8),
  '16 bytes': zeros(16),
  'heap type': [valueTypes.funcref],
};
/** Atomic accesses must be aligned as their width: the exponent, by the name. */
function alignment(name: string): number {
  const width = /atomic\.(?:rmw|load|store)(8|16|32)/.exec(name)?.[1];
  if (width !== undefined) return Math.log2(Number(width) / 8);
  return /^i64|wait64/.test(name) ? 3 : 2;
}

function lineOf({ name, immediate, feature }: Instruction): Line {
  const immediates = [...IMMEDIATES[immediate]];
  if (feature === 'threads' && immediate === 'memory argument') immediates[0] = alignment(name);
  return [name, ...immediates];
}

/** Dead code takes operands of every type from nowhere, so that a line stands alone. */
function moduleWith(lines: readonly Line[]): Uint8Array {
  return build({
    memory: { minimum: 1, maximum: 1, shared: false },
    tables: [{ element: valueTypes.funcref, limits: { minimum: 1, maximum: 1, shared: false } }],
    globals: [{ type: 'i32', initial: ['i32.const', 0] }],
    data: { count: 1, content: Uint8Array.of(1, 0) },
    elements: { count: 1, content: Uint8Array.of(1, 0, 1, 0) },
    functions: [{ locals: ['i32'], code: lines, export: 'f' }],
  });
}

const OPENS = new Set(['block', 'loop', 'if']);
const standing = (line: Line, instruction: Instruction): Line[] => {
  if (instruction.name === 'end') return [['block', -0x40], 'end', 'unreachable'];
  if (instruction.name === 'else') return [['if', -0x40], 'else', 'end', 'unreachable'];
  return OPENS.has(instruction.name) ? [line, 'end', 'unreachable'] : [line, 'unreachable'];
};

const known = allInstructions().filter(({ feature }) => !(feature && isRefused(feature)));

test('every instruction is one to the engine, and decodes and encodes to the same', () => {
  assert.ok(known.length > 500, `${known.length}`);
  for (const instruction of known) {
    const lines = ['unreachable', ...standing(lineOf(instruction), instruction)];
    const bytes = moduleWith(lines);
    assert.doesNotThrow(() => new engine.Module(bytes), instruction.name);
    assert.deepEqual(encode(decode(bytes)), bytes, instruction.name);
  }
});

/** Whether the engine says that at the end of a function with this code `count` values of i32 are on the stack. */
function leaves(line: Line, operands: readonly string[], count: number): boolean {
  const code: Line[] = [
    ...operands.map((type): Line => constants[type] ?? 'nop'),
    line,
    ...Array.from({ length: count }, () => 'drop'),
  ];
  return engine.validate(moduleWith(code));
}

const constants: Readonly<Record<string, Line>> = {
  i32: ['i32.const', 0],
  i64: ['i64.const', 0],
  f32: ['f32.const', ...zeros(4)],
  f64: ['f64.const', ...zeros(8)],
  v128: ['v128.const', ...zeros(16)],
  funcref: ['ref.null', valueTypes.funcref],
};
const TYPES = Object.keys(constants);

/** The engine takes an instruction with one list of operand types alone; the count that is left tells the height. */
function deltaByEngine(line: Line): number | undefined {
  let lists: string[][] = [[]];
  for (let operands = 0; operands <= 3; operands++) {
    for (const list of lists)
      for (const results of [0, 1]) if (leaves(line, list, results)) return results - operands;
    lists = lists.flatMap((list) => TYPES.map((type) => [...list, type]));
  }
  return undefined;
}

test('each moves the height of the stack as the engine sees it', () => {
  const control = new Set(
    `unreachable block loop if else end br br_if br_table return call call_indirect
    return_call return_call_indirect`.split(/\s+/),
  );
  for (const instruction of known) {
    if (control.has(instruction.name)) continue;
    const line = lineOf(instruction);
    assert.equal(deltaByEngine(line), instruction.delta, instruction.name);
  }
});

test('an instruction that was not made yet is malformed, one of a refused feature refused by name', () => {
  const withByte = (...bytes: number[]): Uint8Array => {
    const code = assemble('nop', 'nop', 'nop');
    const whole = moduleWith(['nop', 'nop', 'nop']);
    const at = whole.findLastIndex((_, index) =>
      code.every((byte, offset) => whole[index + offset] === byte),
    );
    whole.set(bytes, at);
    return whole;
  };
  for (const bytes of [[0xff], [0x27], [0xfc, 0x12], [0xfd, 0x9a, 0x01], [0xfe, 0x04]])
    assert.throws(() => decode(withByte(...bytes)), {
      code: 'WASM_MALFORMED',
      message: /there is no instruction (?:[0-9a-f]{2} ?)+/,
    });
  for (const [byte, feature] of [
    [0x06, 'exceptions'],
    [0x1f, 'exceptions'],
    [0xd3, 'garbage collection'],
    [0xfb, 'garbage collection'],
    [0x14, 'typed function references'],
  ] as const)
    assert.throws(
      () => decode(withByte(byte)),
      (error: { details: object; code: string }) => {
        assert.equal(error.code, 'WASM_REFUSED');
        assert.partialDeepStrictEqual(error.details, { feature, section: 'code' });
        return true;
      },
    );
});
