/** How scripts for the Windows Script Host hide: objects by computed names, code in comments that only it reads. */
import { pathTrait } from './path-traits.ts';
import { at, type Found, type Scene, textsOf } from './scene.ts';

const FAMILY = 'obfuscation' as const;

export function* scriptHost(scene: Scene): Iterable<Found> {
  if (scene.language === 'python' || scene.language === 'shell') return;
  yield* hiddenComponents(scene);
  yield* codeInComments(scene);
}

const COMPONENTS = pathTrait(/(^|\.)(CreateObject|ActiveXObject|GetObject)$/);

function* hiddenComponents(scene: Scene): Iterable<Found> {
  for (const use of scene.having(COMPONENTS)) {
    if (use.form === 'read') continue;
    const hidden = use.args.some(({ hidden: how }) => how !== undefined);
    const [first] = use.args;
    if (first === undefined || (!hidden && textsOf(use).length > 0)) continue;
    const computed = hidden || first.origins.length > 0;
    yield {
      family: FAMILY,
      name: 'hidden-component',
      ...at(use),
      score: computed ? 86 : 60,
      explanation: 'This takes an object of Windows by a name that is put together or computed.',
      remedy: 'Name the object where it is taken.',
    };
    return;
  }
}

/** `/*@cc_on … @*\/`: a comment to everybody but the script engine of Windows. The short ones ask for its version. */
const LONG_COMMENT = 400;

function* codeInComments(scene: Scene): Iterable<Found> {
  const [start, end] = longestComment(scene.source);
  if (end === 0) return;
  const evaluated = scene
    .doing('evaluate')
    .some(({ use }) => textsOf(use).some((text) => text.includes('@cc_on') && text.length > 20));
  const length = end - start;
  if (!evaluated && length < LONG_COMMENT) return;
  yield {
    family: FAMILY,
    name: 'code-in-comment',
    start,
    end: Math.min(end, start + 400),
    score: 86,
    explanation: `A comment of ${length} characters is run as code by the script engine of Windows, and by nothing else.`,
    remedy: 'Take the code out of the comment.',
  };
}

const MOST_COMMENTS = 1000;

/** The longest that begins so; `[0, 0]` where none does. */
function longestComment(source: string): readonly [start: number, end: number] {
  let longest: readonly [number, number] = [0, 0];
  let from = 0;
  for (let count = 0; count < MOST_COMMENTS; count++) {
    const start = source.indexOf('/*@cc_on', from);
    if (start < 0) break;
    const close = source.indexOf('*/', start);
    from = close < 0 ? source.length : close + 2;
    if (from - start > longest[1] - longest[0]) longest = [start, from];
  }
  return longest;
}
