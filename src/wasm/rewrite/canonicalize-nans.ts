/**
 * One NaN for all: which bits a NaN has after arithmetic is left to the engine and the processor (core specification
 * 4.3.3, "NaN Propagation"), so that every operation whose result may be one gets `x == x ? x : canonical` behind it.
 * Not behind `neg`, `abs`, `copysign`, `pmin`, `pmax`, loads and reinterpretations: their bits are fixed.
 */
import { assemble, type Line } from '../assemble.ts';
import { InstructionReader } from '../instruction-reader.ts';
import {
  type Body,
  type FunctionType,
  type Module,
  type ValueType,
  valueTypes,
} from '../module.ts';
import { Reader } from '../reader.ts';
import { Writer } from '../writer.ts';
import { mapBodies, ScratchLocals } from './map-bodies.ts';

const ARITHMETIC = 'add sub mul div min max sqrt ceil floor trunc nearest';
const CONVERSIONS =
  'f32.demote_f64 f64.promote_f32 f32x4.demote_f64x2_zero f64x2.promote_low_f32x4';

/** Little-endian, positive, the first bit of the fraction alone. */
const NAN32 = [0x00, 0x00, 0xc0, 0x7f];
const NAN64 = [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x7f];

interface FloatType {
  readonly type: ValueType;
  readonly nan: Line;
  readonly equal: string;
  /** From value, NaN and condition to one of the two. */
  readonly choose: string;
}

const FLOATS: Readonly<Record<string, FloatType>> = {
  f32: { type: valueTypes.f32, nan: ['f32.const', ...NAN32], equal: 'f32.eq', choose: 'select' },
  f64: { type: valueTypes.f64, nan: ['f64.const', ...NAN64], equal: 'f64.eq', choose: 'select' },
  f32x4: {
    type: valueTypes.v128,
    nan: ['v128.const', ...NAN32, ...NAN32, ...NAN32, ...NAN32],
    equal: 'f32x4.eq',
    choose: 'v128.bitselect',
  },
  f64x2: {
    type: valueTypes.v128,
    nan: ['v128.const', ...NAN64, ...NAN64],
    equal: 'f64x2.eq',
    choose: 'v128.bitselect',
  },
};

const PRODUCERS = new Map<string, FloatType>();
for (const [name, float] of Object.entries(FLOATS)) {
  for (const operation of ARITHMETIC.split(' ')) PRODUCERS.set(`${name}.${operation}`, float);
  for (const conversion of CONVERSIONS.split(' '))
    if (conversion.startsWith(`${name}.`)) PRODUCERS.set(conversion, float);
}

export function canonicalizeNans(module: Module): Module {
  const out = new Writer(4096);
  return mapBodies(module, (body, type) => canonicalizeBody(body, type, out.clear()));
}

function canonicalizeBody(body: Body, type: FunctionType, out: Writer): Body {
  const { code } = body;
  const read = new InstructionReader(new Reader(code));
  const scratch = new ScratchLocals(body, type);
  let copied = 0;
  while (read.next()) {
    const float = PRODUCERS.get(read.instruction.name);
    if (float === undefined) continue;
    out.bytes(code, copied, read.end).bytes(canonicalize(float, scratch));
    copied = read.end;
  }
  if (copied === 0) return body;
  return { locals: scratch.all, code: out.bytes(code, copied).finish() };
}

function canonicalize({ type, nan, equal, choose }: FloatType, scratch: ScratchLocals): Uint8Array {
  const value = scratch.of(`value of type ${type}`, type);
  return assemble(
    ['local.tee', value],
    nan,
    ['local.get', value],
    ['local.get', value],
    equal,
    choose,
  );
}
