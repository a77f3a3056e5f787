/** Analysis of all samples, the model, its operating point; and, when asked, the one look at the held-out part. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FEATURES } from '../../src/admission/threat/features.ts';
import { modelSchema } from '../../src/admission/threat/threat-model.ts';
import type { Forest } from './boost.ts';
import { type Collected, openContents } from './collect.ts';
import {
  type Calibration,
  calibrate,
  combined,
  fit,
  REFUSED,
  type Rows,
  scoreUnits,
} from './fit.ts';
import { inspectAll } from './inspect.ts';
import { areaUnderCurve, shareAbove } from './metrics.ts';
import { benignPackages, fileUnits, maliciousPackages, type Unit } from './units.ts';

export interface Options {
  /** Whether model and figures are written into the repository. */
  readonly write: boolean;
  /** Takes rows of older rules: for work on the trainer, never for what is published. */
  readonly stale: boolean;
  /** `0/2`: only analyses every second sample, beside another process that does the rest. */
  readonly shard?: string;
  /** Whether the held-out part is measured. */
  readonly measure: boolean;
  readonly tell: (text: string) => void;
}

export interface Trained {
  readonly language: 'javascript' | 'python';
  readonly forest: Forest;
  readonly calibration: Calibration;
}

const MODEL = join(import.meta.dirname, '../../src/admission/threat/model.json');

export async function train(
  samples: readonly Collected[],
  cache: string,
  options: Options,
): Promise<void> {
  const { tell } = options;
  // Nobody looks at the held-out part before it is measured, not even the cache.
  const isLookedAt = (unit: Unit): boolean => options.measure || unit.part !== 'held-out';
  const files = fileUnits(samples).filter(isLookedAt);
  const packages = [...maliciousPackages(samples), ...benignPackages(samples)].filter(isLookedAt);
  const wanted = new Set([...files, ...packages].flatMap((unit) => unit.files));
  const chosen = samples.filter((one) => wanted.has(one.digest));
  const rows = await inspectAll(chosen, openContents(cache), cache, options);
  if (options.shard !== undefined) return;
  const units = [...files, ...packages.filter((unit) => unit.malicious)];
  const shared = fitted(units, rows);
  tell('one forest for all languages is fitted');
  const models: Trained[] = [];
  for (const language of ['javascript', 'python'] as const) {
    const own = units.filter((unit) => unit.language === language);
    const validation = own.filter((unit) => unit.part === 'validation');
    const apart = fitted(own, rows);
    const candidates = [apart, shared].map((forest) => {
      const calibration = calibrate(forest, validation, rows);
      const scored = scoreUnits(validation, rows, combined(forest, calibration));
      const malicious = scored.filter((one) => one.malicious);
      return {
        language,
        forest,
        calibration,
        caught: shareAbove(malicious, REFUSED).value,
        scored,
      };
    });
    const rules = scoreUnits(validation, rows, (row) => row.score);
    const told = (scored: typeof rules): string =>
      [true, false]
        .map((bad) => {
          const these = scored.filter((one) => one.malicious === bad);
          return `${(shareAbove(these, REFUSED).value * 100).toFixed(2)} %`;
        })
        .join(' of malicious, of benign ');
    tell(`${language}, validation: refused by rules ${told(rules)}`);
    for (const [at, option] of candidates.entries()) {
      tell(
        `${language}, validation: ${at === 0 ? 'own forest' : 'shared forest'} ` +
          `${told(option.scored)}, area ${areaUnderCurve(option.scored).toFixed(4)}`,
      );
    }
    models.push(candidates[0] as Trained);
  }
  const model = packModel(models);
  const text = `${JSON.stringify(model)}\n`;
  tell(`model ${model.version}: ${text.length} bytes`);
  if (options.write) writeFileSync(MODEL, text);
  if (!options.measure) return;
  const { report } = await import('./report.ts');
  await report({
    samples,
    units,
    packages,
    rows,
    models,
    shared,
    version: model.version,
    cache,
    ...options,
  });
}

export const fitted = (units: readonly Unit[], rows: Rows): Forest =>
  fit(
    units.filter((unit) => unit.part === 'train'),
    rows,
  );

/** Six digits are more than the data can tell. */
const short = (value: number): number => Number(value.toPrecision(6));

function packModel(models: readonly Trained[]) {
  const forests = models.map(({ language, forest, calibration }) => ({
    languages: language === 'javascript' ? ['javascript', 'typescript'] : [language],
    base: short(forest.base),
    trees: forest.trees.map((tree) => ({
      ...tree,
      threshold: tree.threshold.map(short),
      value: tree.value.map(short),
    })),
    calibration: { slope: short(calibration.slope), offset: short(calibration.offset) },
  }));
  const digest = createHash('sha256').update(JSON.stringify(forests)).digest('hex').slice(0, 12);
  const version = `${new Date().toISOString().slice(0, 10)}.${digest}`;
  return modelSchema.parse({ format: 1, version, features: [...FEATURES], forests });
}
