/**
 * What the model sees of a file: a row of numbers of fixed order, made of what rules found and of what the interpreter
 * knows. docs/threat/features.md lists them.
 *
 * Left out on purpose, though each of them tells old malware from libraries at once: length of the file, number and
 * length of lines, comments, white space, empty statements, length of names, whether something is exported, how much of
 * it runs when it is loaded, and every number that is only a size. They say which corpus a file is of, not what it does,
 * and cost an attacker nothing.
 * Counts end early, so that there is nothing to be had from padding.
 */
import type { Finding, ThreatFamily } from '../../core/admission.ts';
import type { Measures } from './complexity.ts';
import type { Facts, Use } from './facts.ts';
import { LABELS } from './labels.ts';
import { textClasses, textClassNames } from './text-classes.ts';

const FAMILY_NAMES: readonly ThreatFamily[] = [
  'sandbox-escape',
  'cryptomining',
  'child-process',
  'process-manipulation',
  'filesystem',
  'prototype-pollution',
  'dynamic-code',
  'network',
  'module-loading',
  'credential-harvesting',
  'obfuscation',
  'persistence',
  'resource-abuse',
  'native-code',
  'evasion',
  'exfiltration',
];

/** What a caller hands in is nobody's secret, and in nearly every call. */
const LABEL_NAMES = (Object.keys(LABELS) as (keyof typeof LABELS)[]).filter(
  (name) => name !== 'caller',
);
const BITS = LABEL_NAMES.map((name) => LABELS[name]);
const ALL_BITS = BITS.reduce((all, bit) => all | bit, 0);

/** Names in order. Those of `increasing` may only ever raise what the model thinks. */
const named: readonly (readonly [name: string, increasing: boolean])[] = [
  ...FAMILY_NAMES.flatMap((family): (readonly [string, boolean])[] => [
    [`effects:${family}`, true],
    [`danger:${family}`, true],
    [`flows:${family}`, true],
  ]),
  ...LABEL_NAMES.map((label) => [`handed-on:${label}`, true] as const),
  ...textClassNames.map((name) => [`texts:${name}`, true] as const),
  ['texts:told-in-hiding', true],
  ['indirect-uses', true],
  ['hidden-arguments', true],
  ['texts-split', true],
  ['texts-encoded', true],
  ['texts-computed', true],
  ['share-of-texts-escaped', true],
  ['share-of-texts-base64', true],
  ['share-of-texts-hex', true],
  ['share-of-texts-random', true],
  ['string-tables', true],
  ['endless-loops', true],
  ['stopped', true],
  ['effects-at-load', true],
  ['families', true],
  ['guarded-dangers', true],
  ['share-of-names-hex', true],
  ['is-python', false],
];

export const FEATURES: readonly string[] = named.map(([name]) => name);
export const INCREASING: ReadonlySet<number> = new Set(
  named.flatMap(([, increasing], at) => (increasing ? [at] : [])),
);

const POSITION = new Map(FEATURES.map((name, at) => [name, at]));
const at = (name: string): number => POSITION.get(name) as number;
const FIRST_LABEL = at(`handed-on:${LABEL_NAMES[0]}`);
const FIRST_TEXT = at(`texts:${textClassNames[0]}`);

const MOST_EFFECTS = 3;
const MOST_TEXTS = 2000;
const MOST_COUNT = 5;

export interface Analysed {
  readonly facts: Facts;
  /** All of them, those that score 0 because they are declared, too. */
  readonly findings: readonly Finding[];
  readonly language: string;
  readonly measures: Measures;
}

export function featuresOf({ facts, measures, findings, language }: Analysed): Float64Array {
  const row = new Float64Array(FEATURES.length);
  const raise = (position: number, most: number): void => {
    if ((row[position] as number) < most) row[position] = (row[position] as number) + 1;
  };
  ofFindings(row, findings, raise);
  ofUses(facts.uses, raise);
  ofTexts(row, facts, raise);
  row[at('endless-loops')] = Math.min(2, facts.loops.filter((loop) => loop.endless).length);
  row[at('stopped')] = facts.stoppedBy === undefined ? 0 : 1;
  row[at('share-of-names-hex')] = measures.hexWordShare;
  row[at('is-python')] = language === 'python' ? 1 : 0;
  return row;
}

type Raise = (position: number, most: number) => void;

const POSITIONS_OF_FAMILY = new Map(
  FAMILY_NAMES.map((family) => [family, at(`effects:${family}`)]),
);
const FAMILIES_SEEN = at('families');

/**
 * What can be declared is an effect and only counted; what cannot is a danger by itself, and counts by its score.
 * Neither depends on what is declared.
 */
function ofFindings(row: Float64Array, findings: readonly Finding[], raise: Raise): void {
  for (const { family, capability, score, flow } of findings) {
    const first = POSITIONS_OF_FAMILY.get(family);
    if (first === undefined) continue;
    const isNew = row[first] === 0 && row[first + 1] === 0;
    if (capability === undefined) row[first + 1] = Math.max(row[first + 1] as number, score);
    else raise(first, MOST_EFFECTS);
    if (flow !== undefined) raise(first + 2, 2);
    if (isNew && (capability !== undefined || score > 0)) raise(FAMILIES_SEEN, FAMILY_NAMES.length);
  }
}

const INDIRECT = at('indirect-uses');
const HIDDEN_ARGUMENTS = at('hidden-arguments');
const EFFECTS_AT_LOAD = at('effects-at-load');
const GUARDED = at('guarded-dangers');

function ofUses(uses: readonly Use[], raise: Raise): void {
  for (const use of uses) {
    if (use.indirect === true) raise(INDIRECT, MOST_COUNT);
    if (use.form === 'read' || use.form === 'import' || use.form === 'write') continue;
    let labels = use.input?.labels ?? 0;
    let isHidden = false;
    for (const value of use.args) {
      labels |= value.labels;
      isHidden ||= value.hidden !== undefined;
    }
    labels &= ALL_BITS;
    if (isHidden) raise(HIDDEN_ARGUMENTS, MOST_COUNT);
    if (labels !== 0) {
      for (let bit = 0; bit < BITS.length; bit++) {
        if ((labels & (BITS[bit] as number)) !== 0) raise(FIRST_LABEL + bit, MOST_COUNT);
      }
    }
    if (use.within === 0) {
      if (labels !== 0) raise(EFFECTS_AT_LOAD, MOST_COUNT);
    }
    if (labels !== 0 && use.under !== undefined && use.under.length > 0) raise(GUARDED, MOST_COUNT);
  }
}

const HIDDEN = {
  split: at('texts-split'),
  encoded: at('texts-encoded'),
  computed: at('texts-computed'),
};
const TOLD_IN_HIDING = at('texts:told-in-hiding');

function ofTexts(row: Float64Array, { strings }: Facts, raise: Raise): void {
  let looked = 0;
  let long = 0;
  let random = 0;
  for (const { value, hidden } of strings.texts) {
    if (++looked > MOST_TEXTS) break;
    if (hidden !== undefined) raise(HIDDEN[hidden], MOST_COUNT);
    const classes = textClasses(value);
    for (let bit = 0; classes >> bit > 0; bit++) {
      if ((classes & (1 << bit)) === 0) continue;
      raise(FIRST_TEXT + bit, MOST_COUNT);
      if (hidden !== undefined) raise(TOLD_IN_HIDING, MOST_COUNT);
    }
    if (value.length < 24) continue;
    long++;
    if (entropyOf(value) > 4.6 && !/\s/.test(value.slice(0, 200))) random++;
  }
  const share = (part: number, of: number): number => (of === 0 ? 0 : Math.min(1, part / of));
  // Of a handful of texts a share says little: four more are taken to be plain.
  row[at('share-of-texts-escaped')] = share(strings.escaped, strings.count + 4);
  row[at('share-of-texts-base64')] = share(strings.base64, strings.count + 4);
  row[at('share-of-texts-hex')] = share(strings.hex, strings.count + 4);
  row[at('share-of-texts-random')] = share(random, long + 4);
  row[at('string-tables')] = Math.min(2, strings.tables.length);
}

const counts = new Uint16Array(128);

/** Shannon, bits a character, of the first 512 below U+0080. */
function entropyOf(text: string): number {
  counts.fill(0);
  const length = Math.min(512, text.length);
  for (let index = 0; index < length; index++) {
    const c = text.charCodeAt(index) & 127;
    counts[c] = (counts[c] as number) + 1;
  }
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits -= (count / length) * Math.log2(count / length);
  }
  return bits;
}
