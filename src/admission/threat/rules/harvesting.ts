/** Reading secrets: where they are kept, what they look like, and the environment they stand in. */
import { placeOf, SECRET_PLACES, TOKEN_PATTERNS } from '../catalogue/places.ts';
import { pathTrait } from './path-traits.ts';
import { at, type Found, originsOf, type Scene, textsOf } from './scene.ts';

export function* harvesting(scene: Scene): Iterable<Found> {
  yield* secretFiles(scene);
  yield* manyPlaces(scene);
  yield* tokenPatterns(scene);
  yield* wholeEnvironment(scene);
}

/** Stores that belong to another program: nobody but it has a reason to open them. */
const FOREIGN = /browser|chat program|wallet|sessions of|key store|typed|hashes/;

function* secretFiles(scene: Scene): Iterable<Found> {
  for (const { use } of scene.doing('read-file', 'list-files', 'archive', 'run')) {
    const texts = [...textsOf(use), ...originsOf(use).flatMap(textsOf)];
    for (const text of texts) {
      const place = placeOf(SECRET_PLACES, text);
      if (place === undefined) continue;
      yield {
        family: 'credential-harvesting',
        name: 'secret-file',
        ...at(use),
        score: 90,
        capability: 'environment',
        declared: FOREIGN.test(place.what) ? 75 : 40,
        explanation: `This reads ${place.what}.`,
        remedy: 'Have the host hand in the one secret that is needed.',
      };
      break;
    }
  }
}

/** Tools know one store of secrets, their own; who knows many collects them. */
function* manyPlaces(scene: Scene): Iterable<Found> {
  const kinds = new Map<string, { start: number; end: number }>();
  for (const { text, place } of scene.placed(SECRET_PLACES)) {
    if (!kinds.has(place.what)) kinds.set(place.what, at(text));
  }
  const foreign = [...kinds].filter(([what]) => FOREIGN.test(what));
  const [first] = foreign.length > 0 ? foreign : kinds;
  if (first === undefined || kinds.size < 2) return;
  const reads = scene.doing('read-file', 'list-files', 'archive', 'run', 'evaluate').length > 0;
  const sends = scene.doing('send').length > 0;
  if (!reads && !sends) return;
  const score = 40 + 12 * kinds.size + 8 * foreign.length + (sends ? 12 : 0);
  yield {
    family: 'credential-harvesting',
    name: 'many-stores',
    ...first[1],
    score: Math.min(95, foreign.length === 0 ? Math.min(score, 70) : score),
    explanation: `This knows ${kinds.size} places where secrets of other programs are kept: ${[...kinds.keys()].join(', ')}.`,
  };
}

function* tokenPatterns(scene: Scene): Iterable<Found> {
  for (const { text, place: kind } of scene.placed(TOKEN_PATTERNS)) {
    const active = scene.doing('read-file', 'list-files').length > 0;
    const sends = scene.doing('send').length > 0;
    yield {
      family: 'credential-harvesting',
      name: 'token-pattern',
      ...at(text),
      score: active && sends ? 88 : active || sends ? 50 : 25,
      explanation: `This searches texts for ${kind.what}${active ? ', and reads files' : ''}${sends ? ', and sends something' : ''}.`,
    };
  }
}

const TELLS_ALL = pathTrait(
  /^(global\.JSON\.stringify|py:json\.dumps|py:builtins\.(str|dict|repr))$/,
);

/** `JSON.stringify(process.env)`, `dict(os.environ)`: not one variable but all of them. */
function* wholeEnvironment(scene: Scene): Iterable<Found> {
  for (const use of scene.having(TELLS_ALL)) {
    if (!use.args.some(({ path }) => path === 'global.process.env' || path === 'py:os.environ'))
      continue;
    yield {
      family: 'credential-harvesting',
      name: 'whole-environment',
      ...at(use),
      score: 90,
      capability: 'environment',
      declared: 35,
      explanation: 'This makes one text of the whole environment, with every token in it.',
      remedy: 'Read the variables that are needed, by name.',
    };
  }
}
