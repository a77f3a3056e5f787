/** Gradient-boosted trees as data: their shape, checked, and their evaluation. */

import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { FEATURES } from './features.ts';

const indices = z.array(z.int().min(-1).max(65_535));
const numbers = z.array(z.number());

const treeSchema = z
  .strictObject({
    feature: indices.describe('Number of the feature that a node asks for; -1: a leaf'),
    threshold: numbers.describe('Left where the feature is at most this'),
    left: indices.describe('Node that follows; larger than its own number, so that it ends'),
    right: indices.describe('As left'),
    value: numbers.describe('Of a leaf: what it adds to the log-odds'),
  })
  .refine(
    ({ feature, threshold, left, right, value }) =>
      feature.length > 0 &&
      [threshold, left, right, value].every((list) => list.length === feature.length) &&
      feature.every(
        (of, node) =>
          of < 0 ||
          [left, right].every((next) => {
            const to = next[node] as number;
            return to > node && to < feature.length;
          }),
      ),
    'every node leads to later ones of its tree',
  );

const forestSchema = z.strictObject({
  languages: z
    .array(z.enum(['javascript', 'typescript', 'python', 'shell']))
    .describe('What it is asked for'),
  base: z.number().describe('Log-odds before any tree'),
  trees: z.array(treeSchema).min(1).describe('Summed'),
  calibration: z
    .strictObject({
      slope: z.number().positive().describe('Of the log-odds'),
      offset: z.number().describe('Added to them'),
    })
    .describe('Makes the sum a probability in which 0.5 is the operating point'),
});

export const modelSchema = z
  .strictObject({
    format: z.literal(1).describe('Of this file'),
    version: z
      .string()
      .regex(/^\d{4}-\d\d-\d\d\.[0-9a-f]{12}$/)
      .describe('Day of training, and a digest of what was trained'),
    features: z
      .array(z.string())
      .describe('Names in order: those of features.ts, or it is refused'),
    forests: z.array(forestSchema).describe('One for each group of languages'),
  })
  .refine(
    ({ features, forests }) =>
      forests.every((forest) =>
        forest.trees.every((tree) => tree.feature.every((of) => of < features.length)),
      ),
    'trees ask for features that there are',
  );

type ModelData = z.infer<typeof modelSchema>;

interface PackedForest {
  readonly base: number;
  readonly slope: number;
  readonly offset: number;
  readonly roots: Int32Array;
  readonly feature: Int16Array;
  readonly split: Float64Array;
  /** Node on the left; the one on the right in the next field. */
  readonly next: Int32Array;
}

/** All trees in one run of nodes: three typed arrays are what the processor has to have at hand. */
function pack(forest: ModelData['forests'][number]): PackedForest {
  const total = forest.trees.reduce((sum, tree) => sum + tree.feature.length, 0);
  const feature = new Int16Array(total);
  const split = new Float64Array(total);
  const next = new Int32Array(total * 2);
  const roots = new Int32Array(forest.trees.length);
  let offset = 0;
  forest.trees.forEach((tree, number) => {
    roots[number] = offset;
    tree.feature.forEach((of, node) => {
      feature[offset + node] = of;
      split[offset + node] = (of < 0 ? tree.value[node] : tree.threshold[node]) as number;
      next[(offset + node) * 2] = offset + (tree.left[node] as number);
      next[(offset + node) * 2 + 1] = offset + (tree.right[node] as number);
    });
    offset += tree.feature.length;
  });
  return { base: forest.base, ...forest.calibration, roots, feature, split, next };
}

export class ThreatModel {
  readonly version: string;
  readonly #forests: ReadonlyMap<string, PackedForest>;

  /**
   * @param unknownData what a model file holds
   * @throws CaissonError INTERNAL: it is not of the shape, or was trained on other features
   */
  constructor(unknownData: unknown) {
    const parsed = safeParse(modelSchema, unknownData);
    if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
    const { version, features, forests } = parsed.data;
    if (features.length !== FEATURES.length || features.some((name, at) => name !== FEATURES[at])) {
      throw invalid('it was trained on other features than this version computes');
    }
    this.version = version;
    this.#forests = new Map(
      forests.flatMap((forest) => {
        const packed = pack(forest);
        return forest.languages.map((language) => [language, packed] as const);
      }),
    );
  }

  /** 0–1, where 0.5 is the point at which it speaks up; undefined where it knows nothing of the language. */
  predict(features: ArrayLike<number>, language: string): number | undefined {
    const forest = this.#forests.get(language);
    if (forest === undefined) return undefined;
    return 1 / (1 + Math.exp(-(forest.slope * marginOf(forest, features) + forest.offset)));
  }

  /** Names of features without which it would think better of the file, the weightiest first. */
  reasons(features: ArrayLike<number>, language: string): string[] {
    const forest = this.#forests.get(language);
    if (forest === undefined) return [];
    const row = Float64Array.from(features);
    const margin = marginOf(forest, row);
    const weights: [string, number][] = [];
    row.forEach((value, at) => {
      if (value === 0) return;
      row[at] = 0;
      weights.push([FEATURES[at] as string, margin - marginOf(forest, row)]);
      row[at] = value;
    });
    return weights
      .filter(([, weight]) => weight >= LEAST_REASON)
      .sort((a, b) => b[1] - a[1])
      .slice(0, MOST_REASONS)
      .map(([name]) => name);
  }
}

/** In log-odds. */
const LEAST_REASON = 0.2;
const MOST_REASONS = 4;

/** Log-odds. */
function marginOf(forest: PackedForest, features: ArrayLike<number>): number {
  const { roots, feature, split, next } = forest;
  let margin = forest.base;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] as number;
    let of = feature[node] as number;
    while (of >= 0) {
      const isRight = (features[of] as number) > (split[node] as number);
      node = next[node * 2 + (isRight ? 1 : 0)] as number;
      of = feature[node] as number;
    }
    margin += split[node] as number;
  }
  return margin;
}

function invalid(why: string): CaissonError {
  return new CaissonError('INTERNAL', {
    layer: 'admission',
    message: `The threat model cannot be used: ${why}`,
    hint: 'Train it with scripts/threat/main.ts of this version',
  });
}
