/** How scripts for the Windows Script Host hide: objects by computed names, code in comments that only it reads. */
import { at, type Found, type Scene, textsOf } from './scene.ts';

const FAMILY = 'obfuscation' as const;

export function* scriptHost(scene: Scene): Iterable<Found> {
  if (scene.language === 'python' || scene.language === 'shell') return;
  yield* hiddenComponents(scene);
  yield* codeInComments(scene);
}

function* hiddenComponents(scene: Scene): Iterable<Found> {
  for (const use of scene.facts.uses) {
    if (!/(^|\.)(CreateObject|ActiveXObject|GetObject)$/.test(use.path) || use.form === 'read')
      continue;
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
  const match = /\/\*@cc_on\b([\s\S]*?)@?\*\//.exec(scene.source.slice(0, 2_000_000));
  if (match === null) return;
  const evaluated = scene
    .doing('evaluate')
    .some(({ use }) => textsOf(use).some((text) => text.includes('@cc_on') && text.length > 20));
  const length = match[1]?.length ?? 0;
  if (!evaluated && length < LONG_COMMENT) return;
  yield {
    family: FAMILY,
    name: 'code-in-comment',
    start: match.index,
    end: Math.min(match.index + match[0].length, match.index + 400),
    score: 86,
    explanation: `A comment of ${length} characters is run as code by the script engine of Windows, and by nothing else.`,
    remedy: 'Take the code out of the comment.',
  };
}
