/** What follows an opcode, how high it leaves the operands, and its price. Own tables: the prover has others. */

/** What follows (a number: so many bytes) and how many operands there are more. */
type Letter = readonly [
  '' | 'memory' | 'memory and lane' | 'byte' | 'i32' | 'i64' | number,
  number,
];
export const letters: Readonly<Record<string, Letter>> = {
  ...{ n: ['', 0], b: ['', -1], t: ['', -2] },
  ...{
    L: ['memory', 0],
    S: ['memory', -2],
    M: ['memory and lane', -1],
    N: ['memory and lane', -2],
  },
  ...{ x: ['byte', 0], X: ['byte', -1], s: ['byte', 1] },
  ...{ i: ['i32', 1], I: ['i64', 1], 4: [4, 1], 8: [8, 1], v: [16, 1], V: [16, -1] },
};

/** One letter for each opcode from 0x00 on; c: body.ts knows more; -: there is none, or it is not covered. */
export const plain: string =
  'cn' +
  'cccc-----ccccc' +
  'cc--------btc---' +
  'ccccccc-' +
  'LLLLLLLLLLLLLLSSSSSSSSS' +
  'sciI48' +
  'nbbbbbbbbbbnbbbbbbbbbbbbbbbbbbbbbb' +
  'nnnbbbbbbbbbbbbbbbnnnbbbbbbbbbbbbbbb' +
  'nnnnnnnbbbbbbbnnnnnnnbbbbbbb' +
  'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn-----------cnc';
export const more: string = 'nnnnnnnncccccccccc';
export const vector: string =
  'LLLLLLLLLLLSvVbnnnnnnxxXxxXxXxXxXxX' +
  'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' +
  'nbbbbtnMMMMNNNNLLnn' +
  'nnnnnbbnnnnbbbbbbbbbnnbbbbnbnnnnnnbnnbbnnnnbbbbbbbbbnbbbbb-bbbbb' +
  'nn-nn--nnnnbbbb--b---bbbbbb-bbbbnn-nn--nnnnbbbb--b---bbbbbbbbbbb' +
  'nn-nbbbbbbbbnn-nbbbbbbbbnnnnnnnn';

/** Instructions that an engine leaves the guest's code for; places are free, all else costs 1. */
export const TABLE_SET = 100;
export const MEMORY_GROW = 1000;
/**
 * From 0xfc 0x08, `memory.init`, on: price, operands fewer, indices that follow, and bits of the length that a unit of
 * fuel stands for.
 */
export const bulk: readonly (readonly number[])[] = [
  ...[
    [1, 3, 2, 3],
    [1, 0, 1],
    [1, 3, 2, 3],
    [100, 3, 1, 3],
    [100, 3, 2, 0],
  ],
  ...[
    [1, 0, 1],
    [100, 3, 2, 0],
    [100, 1, 1, 0],
    [1, -1, 1],
    [100, 3, 1, 0],
  ],
];

/** What the theorem does not cover, by the name of the proposal. */
export function proposalOf(first: number): string {
  if (first === 0x12 || first === 0x13) return 'tail calls';
  if ((first >= 0x06 && first <= 0x0a) || [0x18, 0x19, 0x1f].includes(first)) return 'exceptions';
  if ([0x14, 0x15, 0xd4, 0xd5, 0xd6].includes(first)) return 'typed function references';
  if (first === 0xd3 || first === 0xfb) return 'garbage collection';
  if (first === 0xfd) return 'relaxed SIMD';
  return first === 0xfe ? 'threads' : 'no instruction';
}
