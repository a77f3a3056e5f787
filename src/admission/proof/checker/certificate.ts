/** `wasm-pcc/v1`: JSON in its one canonical form, so that the engine's parser is all the parsing there is. */
import { fields, list, number, parseCanonical, text, tuple } from '../../../core/canonical-json.ts';
import { violated } from './violation.ts';

const MOST_BYTES = 64 * 2 ** 20;

const shape = fields({
  format: text,
  /** SHA-256 of the module, hexadecimal. */
  subject: text,
  /** Module, name, type: `function (i32, i64) -> (f32)`, `memory 1..16`, `table funcref 2..2`, `global mutable i32`. */
  imports: list(tuple<[string, string, string]>(text, text, text)),
  /** Name, kind and index: `function 3`. */
  exports: list(tuple<[string, string]>(text, text)),
  /** `1..16`, in pages of 64 KiB; `funcref 4..4`. */
  memories: list(text),
  tables: list(text),
  /** That may occur in code, ascending; behind a prefix: prefix · 256 + number. */
  opcodes: list(number),
  /** Slots of 8 bytes: what the counter holds, and what functions that do not count may take above that. */
  stack: fields({ counted: number, uncounted: number }),
  /** Rank (slots with all that it calls; 0: it counts its frame), the most fuel of a call (0: not known). */
  functions: list(tuple<[rank: number, fuel: number]>(number, number)),
  /** Counted loops, ascending: function, which of its loops, the local that counts, the most turns. */
  loops: list(tuple<[number, number, number, number]>(number, number, number, number)),
});
export type Certificate = ReturnType<typeof shape>;

export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > MOST_BYTES) violated('certificate', 0, `more than ${MOST_BYTES} bytes`);
  const certificate = parseCanonical(bytes, shape);
  if (certificate?.format !== 'wasm-pcc/v1') violated('certificate', 0, 'not in canonical form');
  const { opcodes, stack, functions, loops } = certificate;
  const rules: Record<string, boolean> = {
    'more slots than the counter holds': stack.counted < 2 ** 31,
    'opcodes out of order': opcodes.every((code, i) => code > (opcodes[i - 1] ?? -1)),
    'a rank above stack.uncounted': functions.every(([rank]) => rank <= stack.uncounted),
    'loops out of order': loops.every(([f, loop], i) => {
      const [before, earlier] = loops[i - 1] ?? [-1, 0];
      return f < functions.length && (f > before || (f === before && loop > earlier));
    }),
  };
  for (const [broken, holds] of Object.entries(rules))
    if (!holds) violated('certificate', 0, broken);
  return certificate;
}
