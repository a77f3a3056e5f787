/** Programs that put another program together out of their own texts or numbers, and run that. */
import type { Value } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { at, type Found, type Scene } from './scene.ts';

/** What comes from elsewhere is judged by where it comes from. */
const FOREIGN = LABELS.caller | LABELS.file | LABELS.network | LABELS.input | LABELS.environment;

export function* unpacking(scene: Scene): Iterable<Found> {
  if (scene.language === 'shell') return;
  let share: number | undefined;
  for (const { use } of scene.doing('evaluate')) {
    const code = /Function$/.test(use.path) ? use.args.at(-1) : use.args[0];
    // Bundlers and caches of compiled code make scripts of files that they read; programs in programs use these.
    if (!/(eval|Function|exec|execScript)$/.test(use.path)) continue;
    if (code === undefined) continue;
    const program = putTogether(code);
    if (program !== undefined) {
      yield {
        family: 'obfuscation',
        name: 'unpacks-itself',
        ...at(use),
        score: 84,
        explanation: `This runs a program of ${program.length} characters that stands in the source only as what it is computed from.`,
        remedy: 'Publish the program that is put together.',
      };
      return;
    }
    if (!isComputed(code)) continue;
    share ??= payloadShare(scene);
    if (share < MOSTLY) return;
    yield {
      family: 'obfuscation',
      name: 'unpacks-itself',
      ...at(use),
      score: 84,
      explanation: `This runs a program that it puts together from its own data, which are ${Math.round(share * 100)} % of the file.`,
      remedy: 'Publish the program that is put together.',
    };
    return;
  }
}

const MOSTLY = 0.3;
/** Smaller ones are templates. */
const LEAST = 1000;

/** Shorter ones are ways to `require` past a bundler, and templates. */
const LEAST_PROGRAM = 200;

/** A program that the interpreter had to compute, where it could: long, and not just joined of readable parts. */
function putTogether({ constant, hidden }: Value): string | undefined {
  const isHidden = hidden === 'computed' || hidden === 'encoded';
  return isHidden && typeof constant === 'string' && constant.length >= LEAST_PROGRAM
    ? constant
    : undefined;
}

function isComputed(value: Value): boolean {
  return (
    // What a loop appends to is known to begin empty.
    (value.constant === undefined || value.constant === '') &&
    value.items === undefined &&
    value.path !== 'function' &&
    (value.labels & FOREIGN) === 0
  );
}

/** Share of the source that is texts, or lists of numbers, rather than code. */
function payloadShare({ facts, source }: Scene): number {
  const { totalLength, count } = facts.strings;
  // Quotes and commas around short texts are payload as much as the texts are.
  const texts = totalLength + 2 * count;
  const longest = facts.strings.longest?.length ?? 0;
  const tiny = count > 100 && totalLength / count < 14;
  const numbers = numbersIn(source.slice(0, 200_000));
  const payload = Math.max(longest >= LEAST || tiny ? texts : 0, numbers);
  return payload < LEAST ? 0 : payload / Math.max(1, Math.min(source.length, 200_000));
}

/** Characters within lists of numbers. */
function numbersIn(source: string): number {
  let total = 0;
  for (const match of source.matchAll(/(?:(?:0x[0-9a-fA-F]{1,4}|\d{1,6}(?:\*\d+)?)\s*,\s*){40,}/g))
    total += match[0].length;
  return total;
}
