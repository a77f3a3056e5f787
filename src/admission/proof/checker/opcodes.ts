/** What follows an opcode, how many operands there are more, and its price. Own tables: the prover has others. */

/** A number: so many bytes follow; below zero: so many indices. */
type Letter = readonly ['memory' | 'lane' | 'i32' | 'i64' | number, number];
export const letters: Readonly<Record<string, Letter>> = {
  ...{ n: [0, 0], b: [0, -1], t: [0, -2], i: ['i32', 1], I: ['i64', 1], 4: [4, 1], 8: [8, 1] },
  ...{ L: ['memory', 0], S: ['memory', -2], M: ['lane', -1], N: ['lane', -2], v: [16, 1] },
  ...{ V: [16, -1], x: [1, 0], X: [1, -1], y: [1, 1], z: [-1, 1], D: [-1, 0], W: [-1, -2] },
  ...{ A: [-2, -3], F: [-1, -3], G: [-1, -1], c: [0, 0] },
};

/** One letter for each opcode from 0x00 on; c: body.ts knows more; -: there is none, or it is not covered. */
export const plain: string =
  'nncccc-----ccccccc--------btc---cccccDW-LLLLLLLLLLLLLLSSSSSSSSSzDiI48' +
  'nbbbbbbbbbbnbbbbbbbbbbbbbbbbbbbbbbnnnbbbbbbbbbbbbbbbnnnbbbbbbbbbbbbbbb' +
  'nnnnnnnbbbbbbbnnnnnnnbbbbbbbnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn-----------ynz';
/** Behind 0xfc, and behind 0xfd. */
export const more: string = 'nnnnnnnnADAFADAGzF';
export const vector: string =
  'LLLLLLLLLLLSvVbnnnnnnxxXxxXxXxXxXxXbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' +
  'nbbbbtnMMMMNNNNLLnnnnnnnbbnnnnbbbbbbbbbnnbbbbnbnnnnnnbnnbbnnnnbbbbbbbbbnbbbbb-bbbbb' +
  'nn-nn--nnnnbbbb--b---bbbbbb-bbbbnn-nn--nnnnbbbb--b---bbbbbbbbbbbnn-nbbbbbbbbnn-nbbbbbbbb' +
  'nnnnnnnn';

/** Places are free; where an engine leaves the guest's code it costs more. */
export const prices: Uint16Array = new Uint16Array(0x10000).fill(1);
for (const code of [0x01, 0x02, 0x03, 0x05, 0x0b]) prices[code] = 0;
for (const code of [0x26, 0xfc0b, 0xfc0c, 0xfc0e, 0xfc0f, 0xfc11]) prices[code] = 100;
prices[0x40] = 1000;
/** Of instructions that work through a length: bits of it that a unit of fuel stands for. */
export const lengths: Readonly<Record<number, number>> = {
  ...{ 64520: 3, 64522: 3, 64523: 3, 64524: 0, 64526: 0, 64529: 0 },
};
/** Of those that make something longer: bits that a unit is of what they are told. */
export const growths: Readonly<Record<number, number>> = { 64: 13, 64527: 0 };

/** What the theorem does not cover, by the name of the proposal. */
export function proposalOf(first: number): string {
  if (first === 0x12 || first === 0x13) return 'tail calls';
  if ([0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f].includes(first)) return 'exceptions';
  if ([0x14, 0x15, 0xd4, 0xd5, 0xd6].includes(first)) return 'typed function references';
  if (first === 0xd3 || first === 0xfb) return 'garbage collection';
  return first === 0xfd ? 'relaxed SIMD' : first === 0xfe ? 'threads' : 'no instruction';
}
