/** Code that hides what it does: hidden names, tables of texts, packers, invisible characters, code out of sight. */

import type { Value } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { pathTrait } from './path-traits.ts';
import { rewritten } from './rewritten-code.ts';
import { at, type Found, type Scene, valuesOf } from './scene.ts';
import { scriptHost } from './script-host.ts';
import { unpacking } from './unpacking.ts';

const FAMILY = 'obfuscation' as const;

export function* obfuscation(scene: Scene): Iterable<Found> {
  yield* hiddenNames(scene);
  yield* evaluatedNames(scene);
  yield* rewritten(scene);
  yield* packers(scene);
  yield* encodedPayload(scene);
  yield* invisible(scene);
  yield* outOfSight(scene);
  yield* fewLetters(scene);
  yield* scriptHost(scene);
  yield* unpacking(scene);
}

const GETATTR = pathTrait(/^py:builtins\.getattr$/);

/** `require('chi' + 'ld_process')`: nobody splits the name of what is harmless. */
function* hiddenNames(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.located) {
    if (entry.family === undefined || use.form === 'read') continue;
    const isLoad = use.form === 'import' || entry.acts?.includes('load-module') === true;
    const hidden = valuesOf(use).find(
      (value) =>
        value.hidden !== undefined &&
        typeof value.constant === 'string' &&
        (isDecoded(value) || value.constant.length < 40),
    );
    if (hidden === undefined) continue;
    const encoded = isDecoded(hidden);
    if (!encoded && !isLoad) continue;
    yield {
      family: FAMILY,
      name: 'hidden-argument',
      ...at(use),
      score: encoded ? 72 : 55,
      explanation: `This hides the text "${String(hidden.constant).slice(0, 60)}" from whoever reads the source, and uses it.`,
    };
  }
  for (const use of scene.imports) {
    if (!use.args.some(({ hidden }) => hidden !== undefined)) continue;
    yield {
      family: FAMILY,
      name: 'hidden-module',
      ...at(use),
      score: /child_process|:vm$|subprocess|ctypes|socket|:os$|:net$|:dns$/.test(use.path)
        ? 70
        : 35,
      explanation: `This loads ${use.path.replace(/^\w+:/, '')} by a name that is not written there.`,
    };
  }
  for (const use of scene.having(GETATTR)) {
    if (isBuiltins(use.args[0]) && isConcealed(use.args[1])) {
      yield {
        family: FAMILY,
        name: 'hidden-builtin',
        ...at(use),
        score: 84,
        explanation: 'This takes a function of the language by a name that is put together.',
      };
      break;
    }
  }
}

/** `eval('o' + 's.system')`: a name is no secret of what is harmless. */
function* evaluatedNames(scene: Scene): Iterable<Found> {
  if (scene.language !== 'python') return;
  for (const { use } of scene.doing('evaluate')) {
    const [code] = use.args;
    if (code?.hidden === undefined || !EVALUATED_NAME.test(String(code.constant))) continue;
    yield {
      family: FAMILY,
      name: 'hidden-name',
      ...at(use),
      score: 86,
      explanation: `This takes ${String(code.constant)} by a name that it puts together.`,
    };
    return;
  }
}

const EVALUATED_NAME =
  /^(os|subprocess|builtins|ctypes|socket|pty)\.\w+$|^(exec|eval|compile|__import__)$/;

const isBuiltins = (value: Value | undefined): boolean =>
  /^py:((builtins\.)?__builtins__|builtins)$/.test(value?.path ?? '');

const isConcealed = (value: Value | undefined): boolean =>
  value !== undefined &&
  (value.hidden !== undefined ||
    value.origins.some(({ path }) => /[.:](join|chr|map|__str__|__repr__|__doc__)$/.test(path)));

const isDecoded = ({ hidden, labels }: Value): boolean =>
  hidden === 'encoded' || (hidden !== undefined && (labels & LABELS.decoded) !== 0);

/** `hint`: a text that is there wherever the pattern matches. */
const SIGNS = { what: 'written in signs alone', score: 88 } as const;
const ARMOR = {
  what: 'encrypted, and decrypted by machine code when it is loaded',
  score: 70,
} as const;

const PACKERS: readonly { pattern: RegExp; hint: string; what: string; score: number }[] = [
  {
    hint: 'eval',
    pattern: /\beval\s*\(\s*function\s*\(\s*p\s*,\s*a\s*,\s*c\s*,\s*k\s*,\s*e\s*,\s*[dr]\s*\)/,
    what: 'packed by a packer that unpacks it with eval',
    score: 72,
  },
  { hint: 'pyarmor', pattern: /\b(__pyarmor__|pyarmor_runtime)\b/, ...ARMOR },
  { hint: 'pytransform', pattern: /\bpytransform\b/, ...ARMOR },
  { hint: '$=~[]', pattern: /\$=~\[\];/, ...SIGNS },
  { hint: 'ﾟωﾟﾉ', pattern: /ﾟωﾟﾉ/, ...SIGNS },
  { hint: '[][(![]+[])', pattern: /\[\]\[\(!\[\]\+\[\]\)/, ...SIGNS },
];

function* packers(scene: Scene): Iterable<Found> {
  for (const { pattern, hint, what, score } of PACKERS) {
    if (!scene.source.includes(hint)) continue;
    const match = pattern.exec(scene.source.slice(0, 2_000_000));
    if (
      match === null ||
      scene.texts.some(
        (text) => text.start < match.index && text.end > match.index + match[0].length,
      )
    )
      continue;
    yield {
      family: FAMILY,
      name: 'packed',
      start: match.index,
      end: match.index + match[0].length,
      score,
      explanation: `The code is ${what}.`,
    };
  }
}

/** A long encoded text, something that decodes, and something that runs: together a program within the program. */
function* encodedPayload(scene: Scene): Iterable<Found> {
  const payload = scene.texts.find(
    ({ value }) =>
      value.length > 300 &&
      (/^[A-Za-z0-9+/=_-]+\s*$/.test(value) ||
        /^[\da-fA-F]+$/.test(value) ||
        /^[\da-f]{2}([ ,:][\da-f]{2})+$/i.test(value)) &&
      !/^data:/.test(value),
  );
  if (payload === undefined) return;
  const evaluates = scene.doing('evaluate').length > 0;
  const decodes = scene.doing('decode').length > 0;
  if (!evaluates || !decodes) return;
  const [sink] = scene.doing('evaluate');
  const small = payload.value.length / Math.max(1, scene.source.length);
  yield {
    family: FAMILY,
    name: 'encoded-payload',
    ...at(payload),
    score: small > 0.5 ? 82 : 50,
    explanation: `A text of ${payload.value.length} encoded characters stands beside what decodes and what runs code${sink === undefined ? '' : ` (${sink.use.path})`}.`,
  };
}

/** Units that the patterns below begin with: one quick look tells most sources apart. */
const UNSEEN =
  /[\u115f\u200b\u200c\u202a-\u202e\u2060\u2066-\u2069\u3164\udb40\ufeff\uffa0]|[\ufe00-\ufe0f]/;

/** Characters that show nothing, or show the text in another order than it runs in. */
function* invisible(scene: Scene): Iterable<Found> {
  if (scene.lexical.wide === 0) return;
  const source = scene.source.slice(0, 3_000_000);
  if (!UNSEEN.test(source)) return;
  const hidden =
    /[\u{e0100}-\u{e01ef}\ufe00-\ufe0f]{8,}|[\u{e0000}-\u{e007f}]{8,}|[\u200b\u200c\u2060\ufeff]{12,}|[\u3164\uffa0\u115f]{8,}/u.exec(
      source,
    );
  if (hidden !== null) {
    const active = scene.doing('evaluate', 'run', 'decode').length > 0;
    yield {
      family: FAMILY,
      name: 'invisible-text',
      start: hidden.index,
      end: hidden.index + hidden[0].length,
      score: active ? 90 : 60,
      explanation: 'A text of characters that nobody can see stands here.',
    };
  }
  for (const match of source.matchAll(/[\u202a-\u202e\u2066-\u2069]/g)) {
    const inText = scene.texts.some(
      ({ start, end }) => start <= match.index && match.index < end && end - start < 40,
    );
    if (inText) continue;
    yield {
      family: FAMILY,
      name: 'reordered-text',
      start: match.index,
      end: match.index + 1,
      score: 55,
      explanation: 'This shows the text in another order than it is run in.',
    };
    return;
  }
}

const GAP = ' '.repeat(120);
const TABS = '\t'.repeat(120);

/** Code that begins where no editor shows it: after a long gap on a line that looks finished. */
function* outOfSight(scene: Scene): Iterable<Found> {
  if (!scene.source.includes(GAP) && !scene.source.includes(TABS)) return;
  const match = /[;:\w)]([ \t]{120,})(?=[;\w_(])[^\n]{8,}/.exec(scene.source.slice(0, 1_000_000));
  if (match === null) return;
  const start = match.index + 1 + (match[1]?.length ?? 0);
  const end = match.index + match[0].length;
  const isText = scene.texts.some((text) => text.start <= start && text.end >= start);
  const uses = scene.facts.uses.some((use) => use.start >= start && use.start < end);
  if (isText || !uses) return;
  yield {
    family: FAMILY,
    name: 'out-of-sight',
    start,
    end: Math.min(end, start + 400),
    score: 85,
    explanation: `Code stands ${match[1]?.length} blanks to the right, where no editor shows it.`,
  };
}

/** Programs of signs: `[][(![]+[])[+[]]…`. */
function* fewLetters(scene: Scene): Iterable<Found> {
  if (scene.language === 'shell') return;
  const length = Math.min(scene.source.length, 20_000);
  if (length < 400 || hasLetters(scene.source, length, 0.12 * length)) return;
  yield {
    family: FAMILY,
    name: 'signs-alone',
    start: 0,
    end: length,
    score: 88,
    explanation: 'The program is written in signs, almost without letters.',
  };
}

/** Whether more than `most` of the first units are letters, digits or blanks: most programs have them soon. */
function hasLetters(source: string, length: number, most: number): boolean {
  let letters = 0;
  for (let i = 0; i < length; i++) {
    const unit = source.charCodeAt(i);
    const isLetter =
      unit <= 32 || (unit >= 48 && unit <= 57) || ((unit | 32) >= 97 && (unit | 32) <= 122);
    if ((isLetter || unit > 0xbf) && ++letters > most) return true;
  }
  return false;
}
