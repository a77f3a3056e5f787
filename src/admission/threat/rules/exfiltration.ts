/** Collect → (encode →) send. */
import {
  DROP_PLACES,
  isBareAddress,
  placeOf,
  SECRET_PLACES,
  SECRET_VARIABLE,
} from '../catalogue/places.ts';
import type { Use } from '../facts.ts';
import { LABELS } from '../labels.ts';
import {
  at,
  type Found,
  flowTo,
  labelsOf,
  originsOf,
  type Scene,
  sourcesOf,
  textsOf,
} from './scene.ts';

const COLLECTED =
  LABELS.secret |
  LABELS.environment |
  LABELS.identity |
  LABELS.file |
  LABELS.output |
  LABELS.input |
  LABELS.listing;

export function* exfiltration(scene: Scene): Iterable<Found> {
  const drops = dropsOf(scene);
  let flows = false;
  for (const { use } of scene.doing('send', 'resolve')) {
    const labels = labelsOf(use) & COLLECTED;
    if (labels === 0) continue;
    const sources = sourcesOf(scene, use, labels).filter((source) => source !== use);
    if (sources.length === 0) continue;
    const own = destinationOf(textsOf(use));
    const verdict = weigh(scene, use, sources, labels, own ?? drops[0]?.what);
    if (verdict === undefined) continue;
    flows = true;
    const encoded = (labelsOf(use) & LABELS.encoded) !== 0;
    yield {
      family: 'exfiltration',
      name: verdict.name,
      ...at(use),
      // Nobody encodes by hand what a request would encode by itself, unless it is to be overlooked.
      score: Math.min(98, verdict.score + (encoded && verdict.score >= 50 ? 5 : 0)),
      explanation: `This sends ${verdict.what} to ${own ?? drops[0]?.what ?? 'another machine'}${encoded ? ', encoded' : ''}.`,
      flow: flowTo(use, sources),
    };
  }
  yield* destinations(scene, drops, flows);
}

interface Drop {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

function dropsOf(scene: Scene): readonly Drop[] {
  return scene.placed(DROP_PLACES).map(({ text, place }) => ({ what: place.what, ...at(text) }));
}

function destinationOf(texts: readonly string[]): string | undefined {
  for (const text of texts) {
    const place = placeOf(DROP_PLACES, text);
    if (place !== undefined) return place.what;
    if (isBareAddress(text)) return 'a machine without a name';
  }
  return undefined;
}

/** What is sent, by what is worst in it, and how sure it is that nobody asked for that. */
function weigh(
  scene: Scene,
  use: Use,
  sources: readonly Use[],
  labels: number,
  destination: string | undefined,
): { name: string; what: string; score: number } | undefined {
  const odd = destination !== undefined;
  const texts = sources.concat(originsOf(use)).flatMap(textsOf);
  const secretPlace = texts.map((text) => placeOf(SECRET_PLACES, text)).find(Boolean);
  if ((labels & LABELS.secret) !== 0)
    return { name: 'secrets', what: 'secrets', score: odd ? 97 : 88 };
  if (secretPlace !== undefined) {
    return { name: 'secret-files', what: secretPlace.what, score: odd ? 97 : 92 };
  }
  if (
    (labels & LABELS.input) !== 0 &&
    sources.some(({ path }) => /clip|key|mouse|Grab|capture|record|shot/i.test(path))
  ) {
    return {
      name: 'captured-input',
      what: 'what a person types, copies or sees',
      score: odd ? 97 : 88,
    };
  }
  if ((labels & LABELS.environment) !== 0) {
    if (sources.some(isWholeEnvironment)) {
      return {
        name: 'environment',
        what: 'the whole environment, with the tokens in it,',
        score: odd ? 97 : 92,
      };
    }
    const named = sources.some(
      ({ path, args }) =>
        SECRET_VARIABLE.test(path.split('.').at(-1) ?? '') ||
        args.some(({ constant }) => typeof constant === 'string' && SECRET_VARIABLE.test(constant)),
    );
    // A token in a request is how a client says who it is.
    if (odd)
      return { name: 'variables', what: 'variables of the environment', score: named ? 90 : 60 };
    if (!named) return undefined;
    return { name: 'variables', what: 'a variable of the environment', score: 25 };
  }
  const who = new Set(sources.filter(isIdentity).map(({ path }) => path));
  if (who.size > 0) {
    const machine = [...who].some((path) =>
      /hostname|userInfo|getuser|getlogin|gethostname|getfqdn|networkInterfaces|getnode|platform\.node|whoami|sh:(hostname|id)$/.test(
        path,
      ),
    );
    if (odd && machine) return { name: 'identity', what: 'who runs this and where', score: 92 };
    // Who asks at once, as soon as it is loaded, was not asked to.
    const atOnce = use.within === 0 && scene.language !== 'shell';
    if (machine && who.size > 1) {
      const score = inSetup(scene) ? 92 : atOnce ? 85 : 65;
      return { name: 'identity', what: 'who runs this and where', score };
    }
    if (machine) {
      const score = inSetup(scene) ? 82 : atOnce ? 60 : 35;
      return { name: 'identity', what: 'who runs this or where', score };
    }
  }
  if ((labels & LABELS.output) !== 0) {
    return { name: 'output', what: 'what a program printed', score: odd ? 92 : 45 };
  }
  if ((labels & LABELS.file) !== 0) return { name: 'files', what: 'files', score: odd ? 90 : 25 };
  if ((labels & LABELS.listing) !== 0)
    return { name: 'listing', what: 'names of files', score: odd ? 88 : 25 };
  return undefined;
}

const isWholeEnvironment = ({ path }: Use): boolean =>
  /(^|\.)env$|os\.environb?(\.(items|values|copy))?$|env\.toObject$|^sh:(env|printenv|export|set)$/.test(
    path,
  );

const isIdentity = ({ path }: Use): boolean =>
  /hostname|userInfo|getuser|getlogin|gethostname|getfqdn|getcwd|cwd$|networkInterfaces|homedir|platform\.|getServers|__dirname|__filename|getnode|uname|sh:(whoami|hostname|id|pwd)$/.test(
    path,
  );

export const inSetup = (scene: Scene): boolean => /(^|\/)setup\.py$/.test(scene.path ?? '');

/** A place where only stolen data goes is odd by itself in code that others run. */
function* destinations(scene: Scene, drops: readonly Drop[], flows: boolean): Iterable<Found> {
  const sends = scene.doing('send', 'resolve');
  for (const { what, start, end } of drops) {
    const sent = sends.length > 0;
    const collects = scene.doing('read-environment', 'identify', 'read-secret', 'capture').length;
    yield {
      family: 'exfiltration',
      name: 'destination',
      start,
      end,
      score: !sent
        ? 30
        : inSetup(scene) || what.includes('look-ups') || (collects > 1 && !flows)
          ? 82
          : 60,
      explanation: `This names ${what}, where data goes that is not to be traced${sent ? ', and sends something' : ''}.`,
      remedy: 'Send to a machine of your own, by its name.',
    };
  }
  for (const { use } of sends) {
    if (!textsOf(use).some(isBareAddress)) continue;
    yield {
      family: 'network',
      name: 'bare-address',
      ...at(use),
      score: inSetup(scene) ? 82 : 55,
      explanation: 'This talks to a machine by its bare address, which nobody vouches for.',
      remedy: 'Use a name, and TLS for it.',
    };
  }
}
