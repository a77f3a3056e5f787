/**
 * Gradient-boosted regression trees for logistic loss, by histograms: Friedman, "Greedy function approximation" (2001),
 * with second-order leaf values and L2 as in XGBoost (Chen and Guestrin, 2016, section 2.2). Deterministic: no
 * randomness but a seeded choice of features for each tree.
 */
import { SeededRandom } from '../../test/seeded-random.ts';

export interface Options {
  /** Trees; default 120. */
  readonly trees: number;
  /** Leaves of a tree; default 12. */
  readonly leaves: number;
  /** Default 0.1. */
  readonly rate: number;
  /** L2 on leaf values; default 2. */
  readonly lambda: number;
  /** Least sum of second derivatives in a leaf; default 2. */
  readonly leastWeight: number;
  /** Least gain of a cut; default 0.05. */
  readonly leastGain: number;
  /** Share of features that a tree sees; default 0.7. */
  readonly featureShare: number;
  /** Largest leaf value before the rate; default 3: no single path decides. */
  readonly largestStep: number;
  readonly seed: number;
  /** Features of which more is never less suspicious. */
  readonly increasing: ReadonlySet<number>;
}

export const DEFAULTS: Options = {
  trees: 120,
  leaves: 12,
  rate: 0.1,
  lambda: 2,
  leastWeight: 2,
  leastGain: 0.05,
  featureShare: 0.7,
  largestStep: 3,
  seed: 1,
  increasing: new Set(),
};

/** Node 0 is the root. A node with `feature` -1 is a leaf; else `<= threshold` goes left. */
export interface Tree {
  readonly feature: number[];
  readonly threshold: number[];
  readonly left: number[];
  readonly right: number[];
  readonly value: number[];
}

export interface Forest {
  readonly base: number;
  readonly trees: Tree[];
}

const BINS = 64;

/** Cuts of a feature: quantiles of its distinct values, so that every distinct value has a bin where they are few. */
export function cutsOf(values: readonly number[]): number[] {
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  if (distinct.length <= BINS) {
    return distinct.slice(1).map((value, index) => ((distinct[index] as number) + value) / 2);
  }
  const sorted = values.toSorted((a, b) => a - b);
  const cuts = new Set<number>();
  for (let bin = 1; bin < BINS; bin++) {
    const at = Math.floor((bin * sorted.length) / BINS);
    const [below, above] = [sorted[at - 1] as number, sorted[at] as number];
    if (below < above) cuts.add((below + above) / 2);
  }
  // Where most values are equal quantiles coincide: distinct values are cut, too.
  for (let bin = 1; bin < BINS / 2; bin++) {
    const at = Math.floor((bin * 2 * distinct.length) / BINS);
    cuts.add(((distinct[at - 1] as number) + (distinct[at] as number)) / 2);
  }
  return [...cuts].sort((a, b) => a - b);
}

function binOf(cuts: readonly number[], value: number): number {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= (cuts[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

interface Cut {
  readonly gain: number;
  readonly feature: number;
  readonly bin: number;
}

interface Leaf {
  readonly node: number;
  readonly rows: Int32Array;
  readonly gradient: number;
  readonly hessian: number;
  /** Bounds of its value, from cuts of features that only increase. */
  readonly least: number;
  readonly most: number;
  readonly cut: Cut | undefined;
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value));

/** @param labels 1 for malicious @param weights of rows: a cluster weighs what one sample does */
export function boost(
  rows: readonly ArrayLike<number>[],
  labels: readonly number[],
  weights: readonly number[],
  options: Partial<Options> = {},
): Forest {
  const o = { ...DEFAULTS, ...options };
  const features = rows[0]?.length ?? 0;
  const cuts = Array.from({ length: features }, (_, f) =>
    cutsOf(rows.map((row) => row[f] as number)),
  );
  const binned = cuts.map((ofFeature, f) =>
    Uint8Array.from(rows, (row) => binOf(ofFeature, row[f] as number)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const positive = labels.reduce((sum, label, row) => sum + label * (weights[row] as number), 0);
  const share = clamp(positive / total, 1e-6, 1 - 1e-6);
  const base = Math.log(share / (1 - share));
  const margins = new Float64Array(rows.length).fill(base);
  const gradients = new Float64Array(rows.length);
  const hessians = new Float64Array(rows.length);
  const random = new SeededRandom(o.seed);
  const leafValue = (gradient: number, hessian: number, least: number, most: number): number =>
    clamp(clamp(-gradient / (hessian + o.lambda), -o.largestStep, o.largestStep), least, most);
  const worth = (gradient: number, hessian: number): number => gradient ** 2 / (hessian + o.lambda);

  const bestCut = (leaf: Omit<Leaf, 'cut'>, seen: readonly number[]): Cut | undefined => {
    let best: Cut | undefined;
    for (const feature of seen) {
      const bins = binned[feature] as Uint8Array;
      const size = (cuts[feature] as number[]).length + 1;
      if (size < 2) continue;
      const gradient = new Float64Array(size);
      const hessian = new Float64Array(size);
      for (const row of leaf.rows) {
        const bin = bins[row] as number;
        gradient[bin] = (gradient[bin] as number) + (gradients[row] as number);
        hessian[bin] = (hessian[bin] as number) + (hessians[row] as number);
      }
      let leftGradient = 0;
      let leftHessian = 0;
      for (let bin = 0; bin < size - 1; bin++) {
        leftGradient += gradient[bin] as number;
        leftHessian += hessian[bin] as number;
        const rightGradient = leaf.gradient - leftGradient;
        const rightHessian = leaf.hessian - leftHessian;
        if (leftHessian < o.leastWeight || rightHessian < o.leastWeight) continue;
        const gain =
          worth(leftGradient, leftHessian) +
          worth(rightGradient, rightHessian) -
          worth(leaf.gradient, leaf.hessian);
        if (gain < o.leastGain || (best !== undefined && gain <= best.gain)) continue;
        if (
          o.increasing.has(feature) &&
          leafValue(leftGradient, leftHessian, leaf.least, leaf.most) >
            leafValue(rightGradient, rightHessian, leaf.least, leaf.most)
        ) {
          continue;
        }
        best = { gain, feature, bin };
      }
    }
    return best;
  };

  const all = Int32Array.from(rows, (_, row) => row);
  const trees: Tree[] = [];
  for (let number = 0; number < o.trees; number++) {
    for (const row of all) {
      const probability = 1 / (1 + Math.exp(-(margins[row] as number)));
      const weight = weights[row] as number;
      gradients[row] = weight * (probability - (labels[row] as number));
      hessians[row] = weight * probability * (1 - probability);
    }
    const seen = cuts.map((_, feature) => feature).filter(() => random.chance(o.featureShare));
    const tree: Tree = { feature: [-1], threshold: [0], left: [0], right: [0], value: [0] };
    const leafOf = (node: number, of: Int32Array, least: number, most: number): Leaf => {
      let gradient = 0;
      let hessian = 0;
      for (const row of of) {
        gradient += gradients[row] as number;
        hessian += hessians[row] as number;
      }
      const leaf = { node, rows: of, gradient, hessian, least, most };
      return { ...leaf, cut: bestCut(leaf, seen) };
    };
    const leaves = [leafOf(0, all, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)];
    while (leaves.length < o.leaves) {
      const [at, leaf] = leaves.reduce<readonly [number, Leaf | undefined]>(
        (best, candidate, index) =>
          (candidate.cut?.gain ?? 0) > (best[1]?.cut?.gain ?? 0) ? [index, candidate] : best,
        [-1, undefined],
      );
      if (leaf?.cut === undefined) break;
      const { feature, bin } = leaf.cut;
      const bins = binned[feature] as Uint8Array;
      const [left, right] = [tree.feature.length, tree.feature.length + 1];
      for (let added = 0; added < 2; added++) {
        tree.feature.push(-1);
        tree.threshold.push(0);
        tree.left.push(0);
        tree.right.push(0);
        tree.value.push(0);
      }
      tree.feature[leaf.node] = feature;
      tree.threshold[leaf.node] = (cuts[feature] as number[])[bin] as number;
      tree.left[leaf.node] = left;
      tree.right[leaf.node] = right;
      const below = leaf.rows.filter((row) => (bins[row] as number) <= bin);
      const above = leaf.rows.filter((row) => (bins[row] as number) > bin);
      let middle: number | undefined;
      if (o.increasing.has(feature)) {
        const sums = (of: Int32Array): number => {
          let gradient = 0;
          let hessian = 0;
          for (const row of of) {
            gradient += gradients[row] as number;
            hessian += hessians[row] as number;
          }
          return leafValue(gradient, hessian, leaf.least, leaf.most);
        };
        middle = (sums(below) + sums(above)) / 2;
      }
      leaves.splice(
        at,
        1,
        leafOf(left, below, leaf.least, middle ?? leaf.most),
        leafOf(right, above, middle ?? leaf.least, leaf.most),
      );
    }
    for (const leaf of leaves) {
      const value = o.rate * leafValue(leaf.gradient, leaf.hessian, leaf.least, leaf.most);
      tree.value[leaf.node] = value;
      for (const row of leaf.rows) margins[row] = (margins[row] as number) + value;
    }
    trees.push(tree);
  }
  return { base, trees };
}

/** Log-odds. */
export function marginOf(forest: Forest, row: ArrayLike<number>): number {
  let margin = forest.base;
  for (const tree of forest.trees) {
    let node = 0;
    while ((tree.feature[node] as number) >= 0) {
      node = (
        (row[tree.feature[node] as number] as number) <= (tree.threshold[node] as number)
          ? tree.left[node]
          : tree.right[node]
      ) as number;
    }
    margin += tree.value[node] as number;
  }
  return margin;
}

/** Logistic regression by Newton's method on standardised features, with L2: for baselines and calibration. */
export function logistic(
  rows: readonly ArrayLike<number>[],
  labels: readonly number[],
  weights: readonly number[],
  lambda = 1e-3,
): (row: ArrayLike<number>) => number {
  const size = (rows[0]?.length ?? 0) + 1;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = Array.from({ length: size - 1 }, (_, f) =>
    rows.reduce((sum, row, at) => sum + ((row[f] as number) * (weights[at] as number)) / total, 0),
  );
  const spread = mean.map(
    (of, f) =>
      Math.sqrt(
        rows.reduce(
          (sum, row, at) =>
            sum + (((row[f] as number) - of) ** 2 * (weights[at] as number)) / total,
          0,
        ),
      ) || 1,
  );
  const scaled = (row: ArrayLike<number>): number[] => [
    1,
    ...mean.map((of, f) => ((row[f] as number) - of) / (spread[f] as number)),
  ];
  const inputs = rows.map(scaled);
  let beta = new Array<number>(size).fill(0);
  const dot = (input: readonly number[]): number =>
    input.reduce((sum, x, f) => sum + x * (beta[f] as number), 0);
  for (let step = 0; step < 25; step++) {
    const gradient = beta.map((b, f) => (f === 0 ? 0 : lambda * total * b));
    const hessian = beta.map((_, f) =>
      beta.map((_, g) => (f === g ? lambda * total * (f === 0 ? 1e-6 : 1) : 0)),
    );
    inputs.forEach((input, at) => {
      const p = 1 / (1 + Math.exp(-dot(input)));
      const weight = weights[at] as number;
      for (let f = 0; f < size; f++) {
        gradient[f] =
          (gradient[f] as number) + weight * (p - (labels[at] as number)) * (input[f] as number);
        const line = hessian[f] as number[];
        for (let g = 0; g < size; g++) {
          line[g] =
            (line[g] as number) +
            weight * Math.max(1e-9, p * (1 - p)) * (input[f] as number) * (input[g] as number);
        }
      }
    });
    const change = solve(hessian, gradient);
    beta = beta.map((b, f) => b - clamp(change[f] as number, -4, 4));
    if (change.every((d) => Math.abs(d) < 1e-8)) break;
  }
  return (row) => dot(scaled(row));
}

/** Gaussian elimination with pivots; the matrix is positive definite. */
function solve(matrix: number[][], right: readonly number[]): number[] {
  const size = right.length;
  const lines = matrix.map((line, at) => [...line, right[at] as number]);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(lines[row]?.[column] as number) > Math.abs(lines[pivot]?.[column] as number)) {
        pivot = row;
      }
    }
    [lines[column], lines[pivot]] = [lines[pivot] as number[], lines[column] as number[]];
    const line = lines[column] as number[];
    for (let row = 0; row < size; row++) {
      if (row === column) continue;
      const other = lines[row] as number[];
      const factor = (other[column] as number) / (line[column] as number);
      for (let at = column; at <= size; at++)
        other[at] = (other[at] as number) - factor * (line[at] as number);
    }
  }
  return lines.map((line, at) => (line[size] as number) / (line[at] as number));
}
