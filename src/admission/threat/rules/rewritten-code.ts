/** What obfuscators leave of a program: names without a meaning, texts in tables or in numbers. */
import { at, type Found, type Scene } from './scene.ts';

const FAMILY = 'obfuscation' as const;

export function* rewritten(scene: Scene): Iterable<Found> {
  yield* stringTables(scene);
  yield* escapedTexts(scene);
  yield* generatedNames(scene);
}

const HEX_NAME = /\b_0x[0-9a-f]{3,8}\b/g;

const countOf = (pattern: RegExp, text: string, most: number): number => {
  let count = 0;
  pattern.lastIndex = 0;
  while (count < most && pattern.exec(text) !== null) count++;
  return count;
};

function* stringTables(scene: Scene): Iterable<Found> {
  const names = scene.source.includes('_0x') ? countOf(HEX_NAME, scene.source, 40) : 0;
  const [table] = scene.facts.strings.tables;
  if (table !== undefined && names < 20 && scene.facts.strings.escaped > 5) {
    yield {
      family: FAMILY,
      name: 'string-table',
      ...at(table),
      score: 55,
      explanation: `All texts stand in a table of ${table.items}, and are fetched from it by number.`,
    };
  }
  if (names < 20) return;
  const place = table ?? { start: 0, end: Math.min(scene.source.length, 200) };
  yield {
    family: FAMILY,
    name: 'obfuscator',
    ...at(place),
    score: 82,
    explanation:
      'An obfuscator has gone over this: names are numbers, and texts are fetched from a table.',
  };
}

/** `\x68\x65\x6c\x6c\x6f`: texts that could have been written as they are. */
function* escapedTexts(scene: Scene): Iterable<Found> {
  const { escaped, count } = scene.facts.strings;
  if (escaped < 4) return;
  const runs = [
    ...scene.source
      .slice(0, 2_000_000)
      .matchAll(/(?:\\x[2-7][0-9a-fA-F]){6,}|(?:\\u00[2-7][0-9a-fA-F]){6,}/g),
  ];
  const [first] = runs;
  if (first === undefined || runs.length < 5) return;
  const most = escaped / Math.max(1, count) > 0.25;
  yield {
    family: FAMILY,
    name: 'escaped-texts',
    start: first.index,
    end: first.index + first[0].length,
    score: most ? 72 : 40,
    explanation: `${runs.length} texts are written as the numbers of their letters.`,
  };
}

/** One of these stands in nearly every name that is made of letters that look alike. */
const ALIKE_PAIRS = ['lI', 'Il', 'O0', '0O', 'l1I', 'I1l', 'IIII', 'llll', 'OOOO', 'oO0', '_____'];
const LEAST_CONFUSING = 8;
const ALIKE = /[IlO01o]{8,}|_{5,}/g;
const LETTER = /[\w$]/;

/** Where in the source a place of the sample is: its first 30,000 characters, a line end, its last 10,000. */
const placeOfSample = ({ source }: Scene, index: number): number =>
  index <= 30_000 ? index : index - 30_001 + Math.max(30_000, source.length - 10_000);

const inText = ({ texts }: Scene, index: number): boolean =>
  texts.some(({ start, end }) => start <= index && index < end);

/** Names made so that nobody can tell one from another. */
function* generatedNames(scene: Scene): Iterable<Found> {
  if (scene.lexical.alikeWords < LEAST_CONFUSING) return;
  // Whoever renames renames everything: beginning and end tell.
  const source = `${scene.source.slice(0, 30_000)}\n${scene.source.slice(30_000).slice(-10_000)}`;
  if (!ALIKE_PAIRS.some((pair) => source.includes(pair))) return;
  const confusing: RegExpExecArray[] = [];
  ALIKE.lastIndex = 0;
  for (let match = ALIKE.exec(source); match !== null; match = ALIKE.exec(source)) {
    const [text] = match;
    const whole =
      !LETTER.test(source.charAt(match.index - 1)) &&
      !LETTER.test(source.charAt(match.index + text.length));
    if (!whole || !/^[IlOo_]/.test(text) || inText(scene, placeOfSample(scene, match.index)))
      continue;
    if (confusing.push(match) >= 100) break;
  }
  const [first] = confusing;
  if (first === undefined || confusing.length < LEAST_CONFUSING) return;
  yield {
    family: FAMILY,
    name: 'confusing-names',
    start: Math.max(0, scene.source.indexOf(first[0])),
    end: Math.max(0, scene.source.indexOf(first[0])) + first[0].length,
    score: confusing.length >= 25 ? 84 : 70,
    explanation: 'Names are made of letters that look alike, so that nobody can follow them.',
  };
}
