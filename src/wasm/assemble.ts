/** Instructions as they are named in the text format, for what rewriting inserts. */
import { type Instruction, instructionNamed } from './instructions.ts';
import { Writer } from './writer.ts';

/** The name, then the immediates in their order: indices, constants, a block type; bytes of wider constants one by one. */
export type Line = string | readonly [name: string, ...immediates: number[]];

export function assemble(...lines: readonly Line[]): Uint8Array {
  const out = new Writer();
  for (const line of lines) {
    const [name, ...immediates] = typeof line === 'string' ? [line] : line;
    const instruction = instructionNamed(name);
    writeOpcode(out, instruction);
    for (const immediate of immediates) writeImmediate(out, instruction, immediate);
  }
  return out.finish();
}

function writeOpcode(out: Writer, { code }: Instruction): void {
  if (code > 0xff) out.byte(code >> 12).u32(code & 0xfff);
  else out.byte(code);
}

function writeImmediate(out: Writer, { immediate }: Instruction, value: number): void {
  switch (immediate) {
    case 'i32':
    case 'i64':
    case 'block type':
      out.signed(value);
      break;
    case '1 byte':
    case '4 bytes':
    case '8 bytes':
    case '16 bytes':
      out.byte(value);
      break;
    default:
      out.u32(value);
  }
}
