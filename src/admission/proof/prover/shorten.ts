/**
 * Every number in its shortest form, as the checker wants it: linkers leave room in what they relocate. Also says which
 * opcodes there are, and which functions are referred to otherwise than by a call.
 */
import { decode } from '../../../wasm/decode.ts';
import { encode } from '../../../wasm/encode.ts';
import { InstructionReader } from '../../../wasm/instruction-reader.ts';
import { instructionNamed } from '../../../wasm/instructions.ts';
import type { Body, Module, Verbatim } from '../../../wasm/module.ts';
import { Reader } from '../../../wasm/reader.ts';
import { Writer } from '../../../wasm/writer.ts';

const END = instructionNamed('end').code;

export interface Shortened {
  readonly module: Module;
  readonly bodies: readonly Body[];
  /** As the certificate writes them: behind a prefix, prefix · 256 + number. */
  readonly opcodes: ReadonlySet<number>;
  /** Functions that stand in tables or are taken by `ref.func`. */
  readonly referred: ReadonlySet<number>;
}

export function shorten(module: Module): Shortened {
  const shortener = new Shortener();
  const bodies = module.bodies.map(({ locals, code }) => ({
    locals,
    code: shortener.code(new Reader(code), true),
  }));
  const { opcodes, referred } = shortener;
  const whole: Module = {
    ...module,
    bodies,
    globals: module.globals.map((global) => ({
      ...global,
      initial: shortener.code(new Reader(global.initial), false),
    })),
    elements: shortener.elements(module.elements),
    data: shortener.data(module.data),
  };
  // Decoded again: what was rewritten is as well-formed as what came.
  return { module: decode(encode(whole)), bodies, opcodes, referred };
}

class Shortener {
  readonly opcodes = new Set<number>();
  readonly referred = new Set<number>();

  /** All that is there, or one constant expression. */
  code(reader: Reader, isBody: boolean): Uint8Array {
    const out = new Writer(reader.end - reader.position + 16);
    const read = new InstructionReader(reader);
    while (read.next()) {
      const { code } = read.instruction;
      const [prefix, number] = [code >> 12, code & 0xfff];
      if (isBody && code !== END) this.opcodes.add(prefix * 256 + number);
      if (prefix > 0) out.byte(prefix).u32(number);
      else out.byte(code);
      this.#immediates(read, out);
      if (!isBody && code === END) break;
    }
    return out.finish();
  }

  #immediates(read: InstructionReader, out: Writer): void {
    const { reader } = read;
    const from = new Reader(reader.bytes, read.immediates, read.end);
    switch (read.instruction.immediate) {
      case 'none':
      case '1 byte':
      case '4 bytes':
      case '8 bytes':
      case '16 bytes':
      case 'heap type':
        out.bytes(reader.bytes, read.immediates, read.end);
        return;
      case 'i32':
      case 'block type':
        out.signed(from.s33());
        return;
      case 'i64':
        out.bytes(shortestSigned(reader.bytes.subarray(read.immediates, read.end)));
        return;
      case 'types':
        copyNumbers(from, out, 1);
        out.bytes(from.bytes, from.position, from.end);
        return;
      case 'memory argument and lane':
        copyNumbers(from, out, 2);
        out.byte(from.byte());
        return;
      default:
        if (read.instruction.name === 'ref.func') this.referred.add(read.index);
        copyNumbers(from, out, Number.POSITIVE_INFINITY);
    }
  }

  elements({ count, content }: Verbatim): Verbatim {
    const reader = new Reader(content);
    const out = new Writer(content.length);
    for (let left = count; left > 0; left--) {
      const flags = reader.u32();
      out.u32(flags);
      if ((flags & 3) === 2) copyNumbers(reader, out, 1);
      if ((flags & 1) === 0) out.bytes(this.code(reader, false));
      if ((flags & 3) !== 0) out.byte(reader.byte());
      const elements = reader.u32();
      out.u32(elements);
      for (let each = elements; each > 0; each--) {
        if (flags & 4) out.bytes(this.code(reader, false));
        else {
          const index = reader.u32();
          this.referred.add(index);
          out.u32(index);
        }
      }
    }
    return { count, content: out.finish() };
  }

  data({ count, content }: Verbatim): Verbatim {
    const reader = new Reader(content);
    const out = new Writer(content.length);
    for (let left = count; left > 0; left--) {
      // 2 names a memory; there is one, and the checker knows one way to say so.
      const flags = reader.u32();
      if (flags === 2) reader.u32();
      out.u32(flags & 1);
      if (flags !== 1) out.bytes(this.code(reader, false));
      const size = reader.u32();
      out.u32(size).bytes(reader.take(size));
    }
    return { count, content: out.finish() };
  }
}

function copyNumbers(from: Reader, out: Writer, most: number): void {
  for (let left = most; left > 0 && !from.atEnd; left--) out.u32(from.u32());
}

/** Without what repeats the sign. */
function shortestSigned(bytes: Uint8Array): Uint8Array {
  const out = [...bytes];
  for (let last = out.at(-1); out.length > 1; last = out.at(-1)) {
    const sign = (out.at(-2) ?? 0) & 0x40;
    if (last !== (sign ? 0x7f : 0)) break;
    out.pop();
    out[out.length - 1] = (out.at(-1) ?? 0) & 0x7f;
  }
  return Uint8Array.from(out);
}
