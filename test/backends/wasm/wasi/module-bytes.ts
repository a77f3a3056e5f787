/** Small modules, byte by byte. Source: WebAssembly core specification, 5 Binary Format. */
import type { WasiFunction } from '../../../../src/backends/wasm/wasi/signatures.ts';
import { WASI_MODULE, wasiSignatures } from '../../../../src/backends/wasm/wasi/signatures.ts';

const I32 = 0x7f;
const I64 = 0x7e;

interface Body {
  /** Exported by this name; without one it is there to be called, or started. */
  readonly name?: string;
  /** Instructions, without the closing `end`. */
  readonly code: readonly number[];
}

interface Described {
  /** Functions 0 and up, in this order. */
  readonly imports?: readonly WasiFunction[];
  /** Functions after the imports, each `() -> ()`. */
  readonly functions?: readonly Body[];
  /** Called by instantiation itself. */
  readonly start?: number;
  /** Pages; default 1. With 0 the module has no memory. */
  readonly pages?: number;
  /** At address 0. */
  readonly data?: string;
}

/** Instructions by name, as far as tests need them. */
export const op = {
  i32: (value: number) => [0x41, ...signed(value)],
  call: (index: number) => [0x10, ...unsigned(index)],
  drop: [0x1a],
  unreachable: [0x00],
  /** Runs the one, and the other after whatever is thrown in it. */
  tryCatchAll: (body: readonly number[], handler: readonly number[]) => [
    ...[0x06, 0x40],
    ...body,
    0x19,
    ...handler,
    0x0b,
  ],
  forever: (body: readonly number[]) => [0x03, 0x40, ...body, 0x0c, 0x00, 0x0b],
} as const;

export function moduleBytes(described: Described): Uint8Array {
  const { imports = [], functions = [], start, pages = 1, data } = described;
  const types = imports.map((name) => [
    0x60,
    ...vector(wasiSignatures[name].map((type) => [type === 'i64' ? I64 : I32])),
    ...(name === 'proc_exit' ? [0] : [1, I32]),
  ]);
  const procedure = types.length;
  const exports = functions.flatMap(({ name }, index) =>
    name === undefined ? [] : [[...text(name), 0, ...unsigned(imports.length + index)]],
  );
  if (pages > 0) exports.push([...text('memory'), 2, 0]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([...types, [0x60, 0, 0]])),
    ...section(
      2,
      vector(
        imports.map((name, type) => [...text(WASI_MODULE), ...text(name), 0, ...unsigned(type)]),
      ),
    ),
    ...section(3, vector(functions.map(() => unsigned(procedure)))),
    ...(pages > 0 ? section(5, vector([[0, ...unsigned(pages)]])) : []),
    ...section(7, vector(exports)),
    ...(start === undefined ? [] : section(8, unsigned(start))),
    ...section(10, vector(functions.map(({ code }) => sized([0, ...code, 0x0b])))),
    ...(data === undefined
      ? []
      : section(11, vector([[0, ...op.i32(0), 0x0b, ...sized([...Buffer.from(data)])]]))),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(content: readonly number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function text(name: string): number[] {
  return sized([...Buffer.from(name)]);
}

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  const last = (rest === 0 && low < 64) || (rest === -1 && low >= 64);
  return last ? [low] : [low | 128, ...signed(rest)];
}
