/**
 * Near-duplicates: MinHash over shingles of abstract tokens, found by locality-sensitive hashing, joined where the
 * estimated Jaccard similarity is high enough. Deterministic: seeds are fixed, and the order is that of the input.
 */
import { SeededRandom } from '../../test/seeded-random.ts';

export const SHINGLE = 6;
export const HASHES = 64;
const BANDS = 16;
const ROWS = HASHES / BANDS;
/** Estimated similarity from which two files are near-duplicates. */
export const ALIKE = 0.7;
/** Members of a bucket that a newcomer is compared with: more would be quadratic where thousands are alike. */
const COMPARED = 12;

const seeds = (() => {
  const multipliers = new Uint32Array(HASHES);
  const offsets = new Uint32Array(HASHES);
  const random = new SeededRandom(0x9e3779b9);
  const next = (): number => random.below(2 ** 32);
  for (let index = 0; index < HASHES; index++) {
    multipliers[index] = next() | 1;
    offsets[index] = next();
  }
  return { multipliers, offsets };
})();

function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

export function minHash(tokens: readonly number[]): Uint32Array {
  const shingles = new Set<number>();
  const last = Math.max(0, tokens.length - SHINGLE);
  for (let start = 0; start <= last; start++) {
    let hash = 17;
    for (let index = start; index < Math.min(start + SHINGLE, tokens.length); index++) {
      hash = mix(Math.imul(hash, 31) + (tokens[index] as number));
    }
    shingles.add(hash);
  }
  const signature = new Uint32Array(HASHES).fill(0xffffffff);
  for (const shingle of shingles) {
    for (let index = 0; index < HASHES; index++) {
      const hash =
        mix(
          Math.imul(shingle, seeds.multipliers[index] as number) + (seeds.offsets[index] as number),
        ) >>> 0;
      if (hash < (signature[index] as number)) signature[index] = hash;
    }
  }
  return signature;
}

export function similarity(a: Uint32Array, b: Uint32Array): number {
  let same = 0;
  for (let index = 0; index < HASHES; index++) if (a[index] === b[index]) same++;
  return same / HASHES;
}

/** @returns for each signature the number of its cluster, counted from 0 in order of first members */
export function cluster(signatures: readonly Uint32Array[]): number[] {
  const parent = signatures.map((_, index) => index);
  const root = (of: number): number => {
    let at = of;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at] as number] as number;
      at = parent[at] as number;
    }
    return at;
  };
  for (let band = 0; band < BANDS; band++) {
    const buckets = new Map<string, number[]>();
    signatures.forEach((signature, index) => {
      const key = signature.subarray(band * ROWS, (band + 1) * ROWS).join();
      const bucket = buckets.get(key);
      if (bucket === undefined) {
        buckets.set(key, [index]);
        return;
      }
      for (const other of bucket) {
        if (root(other) === root(index)) continue;
        if (similarity(signatures[other] as Uint32Array, signature) < ALIKE) continue;
        const [low, high] = [root(other), root(index)].sort((a, b) => a - b) as [number, number];
        parent[high] = low;
      }
      if (bucket.length < COMPARED) bucket.push(index);
    });
  }
  const numbers = new Map<number, number>();
  return signatures.map((_, index) => {
    const of = root(index);
    const known = numbers.get(of);
    if (known !== undefined) return known;
    numbers.set(of, numbers.size);
    return numbers.size - 1;
  });
}
