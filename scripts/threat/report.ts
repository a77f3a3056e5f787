/** The one look at the held-out part: tables and figures of docs/threat/evaluation.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FEATURES } from '../../src/admission/threat/features.ts';
import { boost, type Forest, logistic, marginOf } from './boost.ts';
import type { Collected } from './collect.ts';
import { curveOf, curvesAsCsv, curvesAsSvg } from './figures.ts';
import {
  calibrate,
  combined,
  fit,
  highest,
  importance,
  REFUSED,
  type Rows,
  scoreUnits,
} from './fit.ts';
import {
  areaUnderCurve,
  type Interval,
  type Scored,
  shareAbove,
  thresholdAt,
  wilson,
} from './metrics.ts';
import type { Options, Trained } from './train.ts';
import { MEASURED_ONLY, type Unit } from './units.ts';

export interface Input extends Options {
  readonly samples: readonly Collected[];
  /** What models are fitted to and measured on: files, and packages of malware. */
  readonly units: readonly Unit[];
  readonly packages: readonly Unit[];
  readonly rows: Rows;
  readonly models: readonly Trained[];
  readonly shared: Forest;
  readonly version: string;
  readonly cache: string;
}

const DOCS = join(import.meta.dirname, '../../docs/threat');

const percent = (value: number, digits = 1): string =>
  Number.isNaN(value) ? '—' : `${(value * 100).toFixed(digits)} %`;
const told = ({ value, low, high }: Interval, digits = 1): string =>
  Number.isNaN(value)
    ? '—'
    : `${percent(value, digits)} (${(low * 100).toFixed(digits)}–${(high * 100).toFixed(digits)})`;
const table = (head: readonly string[], lines: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');

type Score = (unit: Unit) => number;

const scoreAll = (units: readonly Unit[], score: Score): Scored[] =>
  units.map((unit) => ({
    score: score(unit),
    malicious: unit.malicious,
    group: unit.group,
    weight: unit.weight,
  }));

/** Length baselines: fitted on train like the model, and see nothing but lengths. */
function lengthBaselines(train: readonly Unit[]): { readonly trees: Score; readonly line: Score } {
  const row = (unit: Unit): number[] => unit.lengths.map((length) => Math.log1p(length));
  const inputs = train.map(row);
  const labels = train.map((unit) => (unit.malicious ? 1 : 0));
  const weights = train.map((unit) => unit.weight);
  const forest = boost(inputs, labels, weights, { featureShare: 1 });
  const line = logistic(inputs, labels, weights);
  return { trees: (unit) => marginOf(forest, row(unit)), line: (unit) => line(row(unit)) };
}

interface Contender {
  readonly name: string;
  readonly score: Score;
}

export async function report(input: Input): Promise<void> {
  const { units, rows, models, tell, cache } = input;
  const sections: string[] = [header(input)];
  const recallLines: string[][] = [];
  for (const trained of models) {
    const { language } = trained;
    tell(`measuring ${language} on the held-out part`);
    const own = units.filter((unit) => unit.language === language);
    const part = (name: Unit['part']): Unit[] => own.filter((unit) => unit.part === name);
    const [train, validation, heldOut] = [part('train'), part('validation'), part('held-out')];
    const length = lengthBaselines(train);
    const both = combined(trained.forest, trained.calibration);
    const sharedCalibration = calibrate(input.shared, validation, rows);
    const contenders: Contender[] = [
      { name: 'rules and model', score: (unit) => highest(unit, rows, both) },
      { name: 'rules alone', score: (unit) => highest(unit, rows, (row) => row.score) },
      {
        name: 'model alone',
        score: (unit) => highest(unit, rows, (row) => marginOf(trained.forest, row.features)),
      },
      {
        name: 'rules and model shared by languages',
        score: (unit) => highest(unit, rows, combined(input.shared, sharedCalibration)),
      },
      { name: 'length, trees', score: length.trees },
      { name: 'length, logistic', score: length.line },
    ];
    const trainedSources = heldOut.filter((unit) => !unit.malicious || isTrained(unit));
    sections.push(`## ${language === 'javascript' ? 'JavaScript and TypeScript' : 'Python'}`);
    sections.push(
      'At the point of refusal (score ≥ 80, profile `package`; chosen on validation):',
      atRefusal(contenders.slice(0, 2), heldOut),
      `All malware of sources that are trained on: ${contenders
        .slice(0, 2)
        .map(({ name, score }) => {
          const malicious = trainedSources.filter((unit) => unit.malicious);
          return `${name} ${told(shareAbove(scoreAll(malicious, score), REFUSED))}`;
        })
        .join('; ')}.`,
      'At fixed rates of benign files refused (threshold from validation; rate as it came out on held-out; sources that are trained on):',
      atFixedRates(
        contenders,
        validation.filter((u) => !u.malicious),
        trainedSources,
      ),
    );
    for (const contender of contenders.slice(0, 2)) {
      const malicious = trainedSources.filter((unit) => unit.malicious);
      recallLines.push([
        language,
        contender.name,
        told(shareAbove(scoreAll(malicious, contender.score), REFUSED)),
      ]);
    }
    sections.push('### By family of behaviour', byFamily(trained, heldOut, rows));
    sections.push('### By day', byDay(trained, heldOut, rows));
    sections.push('### Leaving one source out', leaveSourcesOut(trained, own, rows, tell));
    sections.push('### Leaving one family out', leaveFamiliesOut(trained, own, rows, tell));
    sections.push('### Whole packages', wholePackages(input, trained));
    sections.push(
      '### What the model asks for',
      table(
        ['feature', 'weight'],
        importance(trained.forest)
          .slice(0, 15)
          .map(([name, weight]) => [`\`${name}\``, weight.toFixed(1)]),
      ),
    );
    const curves = contenders
      .filter(({ name }) => !name.includes('shared') && !name.includes('logistic'))
      .map(({ name, score }) => curveOf(name, scoreAll(trainedSources, score)));
    if (input.write) {
      mkdirSync(join(DOCS, 'figures'), { recursive: true });
      writeFileSync(
        join(DOCS, `figures/recall-${language}.svg`),
        curvesAsSvg(`${language}, held-out part`, curves),
      );
      writeFileSync(join(DOCS, `figures/recall-${language}.csv`), curvesAsCsv(curves));
    }
    sections.push(`![Caught over refused by mistake](figures/recall-${language}.svg)`);
  }
  const text = `${sections.join('\n\n')}\n`;
  writeFileSync(join(cache, 'evaluation.md'), text);
  if (input.write) {
    mkdirSync(DOCS, { recursive: true });
    writeFileSync(join(DOCS, 'evaluation.md'), text);
  }
  for (const line of recallLines) tell(`held-out recall: ${line.join(', ')}`);
}

const isTrained = (unit: Unit): boolean => !MEASURED_ONLY.includes(unit.source);

function header(input: Input): string {
  const seen = JSON.parse(readFileSync(join(input.cache, 'split.json'), 'utf8'));
  const all = [...input.units, ...input.packages.filter((unit) => !unit.malicious)];
  const lines = [...Map.groupBy(input.samples, (one) => one.source)].map(([source, members]) => {
    const of = (part: Unit['part']): string => {
      const units = input.units.filter((unit) => unit.source === source && unit.part === part);
      const weight = units.reduce((sum, unit) => sum + unit.weight, 0);
      return `${units.length} (${Math.round(weight)})`;
    };
    return [
      source,
      members[0]?.malicious ? 'malicious' : 'benign',
      members.length,
      new Set(members.map((one) => one.cluster)).size,
      of('train'),
      of('validation'),
      of('held-out'),
    ];
  });
  const slow = [...input.rows.values()].map((row) => row.milliseconds).sort((a, b) => a - b);
  const quantile = (share: number): string =>
    (slow[Math.floor(share * slow.length)] ?? 0).toFixed(2);
  return [
    '# Threat analysis: what it catches, and what it does not',
    `Made by \`node scripts/threat/main.ts --corpora DIR --measure\`; do not edit. Model ${input.version}, ${FEATURES.length} features. ` +
      'What the parts are and where the samples come from: [data-sheet.md](data-sheet.md). What to make of it: [model-card.md](model-card.md).',
    'Intervals are 95 %: bootstrap over clusters and packages for shares of malware (a cluster of near-duplicates weighs 1, however many files it has), Wilson for files of benign packages.',
    `${seen.seen} files were read; ${seen.mixed} malicious ones stand in clusters with benign files and were dropped. Units are files, for malware of npm and PyPI whole packages (which of their files does harm nobody has labelled); in brackets: their weight, near-duplicates counted once.`,
    table(['source', 'label', 'files', 'clusters', 'train', 'validation', 'held-out'], lines),
    `The first day that is not trained on: ${Object.entries(
      seen.boundaries as Record<string, number>,
    )
      .map(([source, day]) => `${source} ${day}`)
      .join('; ')}.`,
    `Analysis of one file on the machine of this run, which had other work: median ${quantile(0.5)} ms, 90 % ${quantile(0.9)} ms, 99 % ${quantile(0.99)} ms (${all.length} units).`,
  ].join('\n\n');
}

function atRefusal(contenders: readonly Contender[], heldOut: readonly Unit[]): string {
  const benign = heldOut.filter((unit) => !unit.malicious);
  const sources = [
    ...Map.groupBy(
      heldOut.filter((unit) => unit.malicious),
      (unit) => unit.source,
    ),
  ];
  const lines = contenders.map(({ name, score }) => {
    const ofBenign = [...Map.groupBy(benign, (unit) => unit.source)].map(([source, members]) => {
      const hits = members.filter((unit) => score(unit) >= REFUSED).length;
      return `${source}: ${hits} of ${members.length} = ${told(wilson(hits, members.length), 2)}`;
    });
    const ofMalicious = sources.map(([source, members]) => {
      const byGroup = shareAbove(scoreAll(members, score), REFUSED);
      const copies = members.reduce((sum, unit) => sum + unit.copies, 0);
      const caught = members.reduce(
        (sum, unit) => sum + (score(unit) >= REFUSED ? unit.copies : 0),
        0,
      );
      return `${source}: ${told(byGroup)}; with copies ${percent(caught / copies)} of ${Math.round(copies)}`;
    });
    return [name, ofBenign.join('<br>'), ofMalicious.join('<br>')];
  });
  return table(['', 'benign files refused', 'malicious refused'], lines);
}

function atFixedRates(
  contenders: readonly Contender[],
  validationBenign: readonly Unit[],
  heldOut: readonly Unit[],
): string {
  const lines = contenders.map(({ name, score }) => {
    const onValidation = scoreAll(validationBenign, score);
    const onHeldOut = scoreAll(heldOut, score);
    const malicious = onHeldOut.filter((one) => one.malicious);
    const benign = onHeldOut.filter((one) => !one.malicious);
    const cells = [0.001, 0.01].map((rate) => {
      const threshold = thresholdAt(onValidation, rate);
      const refused = shareAbove(benign, threshold, 20).value;
      return `${told(shareAbove(malicious, threshold))} at ${percent(refused, 2)}`;
    });
    return [name, ...cells, areaUnderCurve(onHeldOut).toFixed(4)];
  });
  return table(['', 'caught at 0.1 %', 'caught at 1 %', 'area under the curve'], lines);
}

/** By the strongest rule of the worst file: what rules say nothing of is `none`. */
function familyOf(unit: Unit, rows: Rows): string {
  let worst: { readonly score: number; readonly family: string } = { score: -1, family: 'none' };
  for (const file of unit.files) {
    const row = rows.get(file);
    if (row === undefined || row.score <= worst.score) continue;
    worst = { score: row.score, family: row.rule?.split('/')[1] ?? 'none' };
  }
  return worst.family;
}

function byFamily(trained: Trained, heldOut: readonly Unit[], rows: Rows): string {
  const both = combined(trained.forest, trained.calibration);
  const malicious = heldOut.filter((unit) => unit.malicious);
  const lines = [...Map.groupBy(malicious, (unit) => familyOf(unit, rows))]
    .toSorted((a, b) => b[1].length - a[1].length)
    .map(([family, members]) => [
      family,
      Math.round(members.reduce((sum, unit) => sum + unit.weight, 0)),
      told(shareAbove(scoreUnits(members, rows, both), REFUSED)),
      told(
        shareAbove(
          scoreUnits(members, rows, (row) => row.score),
          REFUSED,
        ),
      ),
    ]);
  return table(
    ['family of the strongest finding', 'clusters', 'rules and model', 'rules alone'],
    lines,
  );
}

/** Days of many clusters are campaigns of one generator: each counts as much as all of some months. */
function byDay(trained: Trained, heldOut: readonly Unit[], rows: Rows): string {
  const both = combined(trained.forest, trained.calibration);
  const malicious = heldOut.filter((unit) => unit.malicious && isTrained(unit));
  const weightOf = (units: readonly Unit[]): number =>
    units.reduce((sum, unit) => sum + unit.weight, 0);
  const days = [...Map.groupBy(malicious, (unit) => unit.date)].filter(
    ([date, members]) => date !== 0 && weightOf(members) >= MANY_OF_A_DAY,
  );
  const groups: (readonly [string, readonly Unit[]])[] = days
    .toSorted(([a], [b]) => a - b)
    .map(([date, members]) => [String(date), members]);
  const isNamed = ({ date }: Unit): boolean => days.some(([day]) => day === date);
  groups.push(['all other days, and none', malicious.filter((unit) => !isNamed(unit))]);
  for (const [date] of days) {
    groups.push([`all without ${date}`, malicious.filter((unit) => unit.date !== date)]);
  }
  return table(
    ['first seen', 'clusters', 'rules and model', 'rules alone'],
    groups.map(([name, members]) => [
      name,
      Math.round(weightOf(members)),
      told(shareAbove(scoreUnits(members, rows, both), REFUSED)),
      told(
        shareAbove(
          scoreUnits(members, rows, (row) => row.score),
          REFUSED,
        ),
      ),
    ]),
  );
}

const MANY_OF_A_DAY = 15;

/** Fitted without some of the malware of train, measured on the same malware of the held-out part. */
function without(
  trained: Trained,
  own: readonly Unit[],
  rows: Rows,
  isLeftOut: (unit: Unit) => boolean,
): string[] {
  const kept = own.filter((unit) => !(unit.malicious && isLeftOut(unit)));
  const forest = fit(
    kept.filter((unit) => unit.part === 'train'),
    rows,
  );
  const validation = kept.filter((unit) => unit.part === 'validation');
  const calibration = calibrate(forest, validation, rows);
  const measured = own.filter(
    (unit) => unit.malicious && unit.part === 'held-out' && isLeftOut(unit),
  );
  const benign = own.filter((unit) => !unit.malicious && unit.part === 'held-out');
  const score = combined(forest, calibration);
  const threshold = thresholdAt(
    scoreUnits(
      validation.filter((unit) => !unit.malicious),
      rows,
      (row) => marginOf(forest, row.features),
    ),
    0.01,
  );
  return [
    String(Math.round(measured.reduce((sum, unit) => sum + unit.weight, 0))),
    told(shareAbove(scoreUnits(measured, rows, score), REFUSED)),
    told(
      shareAbove(
        scoreUnits(measured, rows, combined(trained.forest, trained.calibration)),
        REFUSED,
      ),
    ),
    percent(shareAbove(scoreUnits(benign, rows, score), REFUSED, 20).value, 2),
    told(
      shareAbove(
        scoreUnits(measured, rows, (row) => marginOf(forest, row.features)),
        threshold,
      ),
    ),
  ];
}

const WITHOUT = [
  'left out',
  'clusters measured',
  'caught, never trained on it',
  'caught, trained on it',
  'benign refused',
  'model alone at 1 %',
];

function leaveSourcesOut(
  trained: Trained,
  own: readonly Unit[],
  rows: Rows,
  tell: (text: string) => void,
): string {
  const malicious = own.filter((unit) => unit.malicious);
  const sources = [...new Set(malicious.map((unit) => unit.source))];
  const remaining = (source: string): boolean =>
    malicious.some((unit) => unit.part === 'train' && unit.source !== source);
  const lines = sources.filter(remaining).map((source) => {
    tell(`without ${source}`);
    return [source, ...without(trained, own, rows, (unit) => unit.source === source)];
  });
  if (lines.length === 0)
    return 'There is one source of malware in this language: none can be left out.';
  return table(WITHOUT, lines);
}

function leaveFamiliesOut(
  trained: Trained,
  own: readonly Unit[],
  rows: Rows,
  tell: (text: string) => void,
): string {
  const weights = new Map<string, number>();
  for (const unit of own) {
    if (!unit.malicious || unit.part !== 'held-out') continue;
    const family = familyOf(unit, rows);
    weights.set(family, (weights.get(family) ?? 0) + unit.weight);
  }
  const families = [...weights].filter(([, weight]) => weight >= 5).map(([family]) => family);
  const lines = families.map((family) => {
    tell(`without ${family}`);
    return [family, ...without(trained, own, rows, (unit) => familyOf(unit, rows) === family)];
  });
  return table(WITHOUT, lines);
}

function wholePackages(input: Input, trained: Trained): string {
  const { rows } = input;
  const both = combined(trained.forest, trained.calibration);
  const heldOut = input.packages.filter(
    (unit) => unit.part === 'held-out' && unit.language === trained.language,
  );
  const lines = [...Map.groupBy(heldOut, (unit) => unit.source)].map(([source, members]) => {
    const count = (score: (row: Rows extends ReadonlyMap<string, infer R> ? R : never) => number) =>
      members.filter((unit) => highest(unit, rows, score) >= REFUSED).length;
    return [
      source,
      members[0]?.malicious ? 'malicious' : 'benign',
      members.length,
      told(wilson(count(both), members.length)),
      told(
        wilson(
          count((row) => row.score),
          members.length,
        ),
      ),
    ];
  });
  return [
    'A package is refused where one of its files is. Of a benign package at most 4 files (npm) or 25 (Python) are looked at, of a malicious one 25: whole packages of many files would be refused more often.',
    '',
    table(
      ['source', 'label', 'packages', 'refused, rules and model', 'refused, rules alone'],
      lines,
    ),
  ].join('\n');
}
