/** `wasm-pcc/v1`: JSON in its one canonical form, so that the engine's parser is all the parsing there is. */
import { violated } from './violation.ts';

const MOST_BYTES = 64 * 2 ** 20;

export interface Certificate {
  readonly format: 'wasm-pcc/v1';
  /** SHA-256 of the module, hexadecimal. */
  readonly subject: string;
  /** Module, name, type: `function (i32, i64) -> (f32)`, `memory 1..16`, `table funcref 2..2`, `global mutable i32`. */
  readonly imports: readonly (readonly [string, string, string])[];
  /** Name, then kind and index: `function 3`. */
  readonly exports: readonly (readonly [string, string])[];
  /** `1..16`, in pages of 64 KiB. */
  readonly memories: readonly string[];
  /** `funcref 4..4`. */
  readonly tables: readonly string[];
  /** That may occur in code, ascending; behind a prefix: prefix · 256 + number. */
  readonly opcodes: readonly number[];
  /** Slots of 8 bytes: what the counter holds, and what functions that do not count may take above that. */
  readonly stack: { readonly counted: number; readonly uncounted: number };
  /**
   * Of each function that is defined: rank (slots that it and all it calls take; 0: it counts its frame), price (what
   * its callers pay for its body; 0: it pays itself), the most fuel of a call with its price (0: not known).
   */
  readonly functions: readonly (readonly [rank: number, price: number, fuel: number])[];
  /** Counted loops, ascending: function, which of its loops, the local that counts, the most turns. */
  readonly loops: readonly (readonly [f: number, loop: number, local: number, turns: number])[];
}

const EXAMPLE: unknown = {
  format: '',
  subject: '',
  imports: [['', '', '']],
  exports: [['', '']],
  memories: [''],
  tables: [''],
  opcodes: [0],
  stack: { counted: 0, uncounted: 0 },
  functions: [[0, 0, 0]],
  loops: [[0, 0, 0, 0]],
};

/** Lists are of any length where the example has one element. Numbers are whole, from 0. */
function fits(given: unknown, example: unknown): boolean {
  if (typeof example === 'number') return Number.isSafeInteger(given) && (given as number) >= 0;
  if (typeof example !== 'object' || example === null) return typeof given === typeof example;
  if (typeof given !== 'object' || given === null) return false;
  if (Array.isArray(example) && Array.isArray(given))
    return example.length === 1
      ? given.every((each) => fits(each, example[0]))
      : given.length === example.length && given.every((each, i) => fits(each, example[i]));
  const fields = Object.entries(example);
  return (
    Object.keys(given).join() === Object.keys(example).join() &&
    fields.every(([name, each]) => fits((given as Record<string, unknown>)[name], each))
  );
}

export function parseCertificate(bytes: Uint8Array): Certificate {
  const holds = (rule: boolean, message: string): void => {
    if (!rule) violated('certificate', 0, message);
  };
  holds(bytes.length <= MOST_BYTES, `more than ${MOST_BYTES} bytes`);
  let [text, given]: [string, unknown] = ['', undefined];
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    given = JSON.parse(text);
  } catch {
    // Fits nothing.
  }
  holds(fits(given, EXAMPLE), 'not the fields of a certificate, in their order');
  // Repeated fields, spaces, other ways to write a text or a number.
  holds(JSON.stringify(given) === text, 'not in its canonical form');
  const { format, opcodes, stack, functions, loops } = given as Certificate;
  holds(format === 'wasm-pcc/v1', `another format than wasm-pcc/v1`);
  holds(stack.counted < 2 ** 31, 'more slots than the counter holds');
  holds(
    opcodes.every((code, i) => code > (opcodes[i - 1] ?? -1)),
    'opcodes out of order',
  );
  holds(
    functions.every(([rank]) => rank <= stack.uncounted),
    'a rank above stack.uncounted',
  );
  const ascends = loops.every(([f, loop], i) => {
    const [before, earlier] = loops[i - 1] ?? [-1, 0];
    return f < functions.length && (f > before || (f === before && loop > earlier));
  });
  holds(ascends, 'loops out of order');
  return given as Certificate;
}
