/** Fits forests to units, chooses the operating point, and scores units by them. */
import { FEATURES, INCREASING } from '../../src/admission/threat/features.ts';
import { probabilityFor, withModel } from '../../src/admission/threat/score.ts';
import { boost, type Forest, marginOf } from './boost.ts';
import type { Row } from './inspect.ts';
import type { Scored } from './metrics.ts';
import type { Unit } from './units.ts';

export type Rows = ReadonlyMap<string, Row>;

/** Of a unit: the highest of its files. */
export function highest(unit: Unit, rows: Rows, scoreOfRow: (row: Row) => number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const file of unit.files) {
    const row = rows.get(file);
    if (row !== undefined) most = Math.max(most, scoreOfRow(row));
  }
  return most;
}

export function scoreUnits(
  units: readonly Unit[],
  rows: Rows,
  scoreOfRow: (row: Row) => number,
): Scored[] {
  return units.map((unit) => ({
    score: highest(unit, rows, scoreOfRow),
    malicious: unit.malicious,
    group: unit.group,
    weight: unit.weight,
  }));
}

/** Malicious ones are few: together they weigh about half of what benign ones do. */
const WEIGHT_OF_MALICIOUS = 3;
/** Packages with more files than that teach nothing before it is known which of them do harm. */
const FEW_FILES = 3;
const ROUNDS = 3;

/**
 * Which file of a malicious package does harm is not known: a first forest learns from packages of few files, and the
 * next ones from that file of each package that the one before it thinks worst of.
 */
export function fit(units: readonly Unit[], rows: Rows): Forest {
  let forest: Forest | undefined;
  const hasPackages = units.some((unit) => unit.files.length > 1);
  for (let round = 0; round < (hasPackages ? ROUNDS : 1); round++) {
    const inputs: (readonly number[])[] = [];
    const labels: number[] = [];
    const weights: number[] = [];
    const learn = (row: Row, unit: Unit, weight: number): void => {
      inputs.push(row.features);
      labels.push(unit.malicious ? 1 : 0);
      weights.push(weight * (unit.malicious ? WEIGHT_OF_MALICIOUS : 1));
    };
    for (const unit of units) {
      const known = unit.files.map((file) => rows.get(file)).filter((row) => row !== undefined);
      if (known.length === 1) {
        learn(known[0] as Row, unit, unit.weight);
      } else if (forest === undefined) {
        if (known.length > FEW_FILES) continue;
        for (const row of known) learn(row, unit, unit.weight / known.length);
      } else {
        const before = forest;
        const worst = known.reduce<Row | undefined>(
          (best, row) =>
            best === undefined || marginOf(before, row.features) > marginOf(before, best.features)
              ? row
              : best,
          undefined,
        );
        if (worst !== undefined) learn(worst, unit, unit.weight);
      }
    }
    forest = boost(inputs, labels, weights, { increasing: INCREASING });
  }
  return forest as Forest;
}

export interface Calibration {
  readonly slope: number;
  readonly offset: number;
}

export const probabilityOf = (margin: number, { slope, offset }: Calibration): number =>
  1 / (1 + Math.exp(-(slope * margin + offset)));

export const REFUSED = 80;
/** Benign files of the validation part that may be refused; below the promised 1 %, since the next part is another. */
export const REFUSED_ON_VALIDATION = 0.008;

export const combined =
  (forest: Forest, calibration: Calibration) =>
  (row: Row): number =>
    withModel(row.score, probabilityOf(marginOf(forest, row.features), calibration));

/** Of the log-odds that trees give: so steep that few benign files come near. */
const SLOPE = 2;

/**
 * The operating point: the largest offset by which no more of the benign weight of the validation part is refused than
 * {@link REFUSED_ON_VALIDATION}; where rules alone refuse that much already, the model refuses nothing more there.
 */
export function calibrate(forest: Forest, validation: readonly Unit[], rows: Rows): Calibration {
  const needed = logit(probabilityFor(REFUSED));
  // The offset from which a file is refused; that of a unit is the lowest of its files.
  const refusedFrom = (row: Row): number =>
    row.score >= REFUSED
      ? Number.NEGATIVE_INFINITY
      : needed - SLOPE * marginOf(forest, row.features);
  const benign = validation
    .filter((unit) => !unit.malicious)
    .map((unit) => ({
      from: -highest(unit, rows, (row) => -refusedFrom(row)),
      weight: unit.weight,
    }))
    .sort((a, b) => a.from - b.from);
  const allowed = REFUSED_ON_VALIDATION * benign.reduce((sum, { weight }) => sum + weight, 0);
  let above = 0;
  const first = benign.find(({ from, weight }) => {
    above += weight;
    return above > allowed && Number.isFinite(from);
  });
  // Scores are rounded to one decimal: nothing may be refused by that.
  return { slope: SLOPE, offset: (first?.from ?? 0) - 0.01 };
}

const logit = (probability: number): number => Math.log(probability / (1 - probability));

/** Names with the gain they have in a forest, largest first: how often they are asked, by what hangs on the answer. */
export function importance(forest: Forest): (readonly [string, number])[] {
  const sums = new Map<string, number>();
  for (const tree of forest.trees) {
    const reach = (node: number): number =>
      (tree.feature[node] as number) < 0
        ? (tree.value[node] as number)
        : Math.max(reach(tree.left[node] as number), reach(tree.right[node] as number));
    tree.feature.forEach((feature, node) => {
      if (feature < 0) return;
      const name = FEATURES[feature] as string;
      const difference = Math.abs(
        reach(tree.left[node] as number) - reach(tree.right[node] as number),
      );
      sums.set(name, (sums.get(name) ?? 0) + difference);
    });
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}
