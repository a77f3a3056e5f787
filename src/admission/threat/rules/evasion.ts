/** When and under whose eyes: dates, persons, machines and debuggers that decide about an effect. */
import { WATCHERS } from '../catalogue/places.ts';
import type { Use } from '../facts.ts';
import { pathTrait } from './path-traits.ts';
import { at, type Found, originsOf, type Scene } from './scene.ts';

const FAMILY = 'evasion' as const;

export function* evasion(scene: Scene): Iterable<Found> {
  yield* decidedEffects(scene);
  yield* watchers(scene);
  yield* longSleeps(scene);
  yield* debuggers(scene);
}

const DATE =
  /(^|\.)(Date(\(\))?(\.\w+)?|datetime\.(now|today|utcnow)(\(\))?(\.\w+)?|date\.today(\(\))?|localtime|gmtime)$|^sh:date$/;
const PERSON =
  /hostname|userInfo|getuser|getlogin|gethostname|navigator\.language|resolvedOptions|getdefaultlocale|getlocale|env\.(USER|USERNAME|LANG|COMPUTERNAME|TZ)|sh:(whoami|id|hostname|locale)$|platform\.node/;
const WATCHED =
  /gettrace|inspector\.url|execArgv|webdriver|IsDebuggerPresent|CheckRemoteDebuggerPresent|systemd-detect-virt|virt-what|totalmem|cpu_count|virtual_memory|sh:dmidecode/;

function* decidedEffects(scene: Scene): Iterable<Found> {
  for (const { use } of scene.doing(
    'run',
    'evaluate',
    'send',
    'remove-file',
    'write-file',
    'persist',
  )) {
    const tests = use.under ?? [];
    const on = [...tests, ...tests.flatMap((test) => originsOf(test))];
    const harsh = scene.doing('run', 'evaluate', 'remove-file').some((one) => one.use === use);
    const kind = decides(scene, on);
    if (kind === undefined) continue;
    yield {
      family: FAMILY,
      name: kind.name,
      ...at(use),
      score: 75,
      capability: 'environment',
      declared: harsh ? kind.score : 15,
      explanation: `Whether this happens depends on ${kind.what}.`,
      flow: [...on.filter((test) => kind.pattern.test(test.path)).slice(0, 3), use],
    };
  }
}

function decides(
  scene: Scene,
  tests: readonly Use[],
): { name: string; what: string; pattern: RegExp; score: number } | undefined {
  const has = (pattern: RegExp): boolean => tests.some(({ path }) => pattern.test(path));
  if (has(WATCHED))
    return { name: 'watched', what: 'whether somebody watches', pattern: WATCHED, score: 50 };
  if (has(PERSON))
    return {
      name: 'chosen-machine',
      what: 'whose machine it is, or where',
      pattern: PERSON,
      score: 40,
    };
  // Elapsed time is not a date: a date is compared with one that stands in the code.
  const dated =
    has(DATE) &&
    (scene.language === 'shell' ||
      scene.texts.some(({ value }) => /^\d{4}-\d\d(-\d\d)?/.test(value)) ||
      has(/get(Full)?(Year|Month|Date|Day|Hours)$|\.(year|month|day|hour|weekday)$/));
  return dated ? { name: 'time-bomb', what: 'the date', pattern: DATE, score: 55 } : undefined;
}

function* watchers(scene: Scene): Iterable<Found> {
  const kinds = new Map<string, { start: number; end: number }>();
  let count = 0;
  for (const { text, place } of scene.placed(WATCHERS)) {
    count++;
    if (!kinds.has(place.what)) kinds.set(place.what, at(text));
  }
  const [first] = kinds;
  if (first === undefined) return;
  const acts = scene.doing('run', 'signal', 'send', 'evaluate').length > 0;
  yield {
    family: FAMILY,
    name: 'watchers',
    ...first[1],
    score: !acts ? 25 : kinds.size > 1 || count > 5 ? 80 : 40,
    explanation: `This looks for ${[...kinds.keys()].join(', ')}, which are there where somebody analyses it.`,
  };
}

/** Analyses run for minutes. */
const LONG_SECONDS = 600;

function* longSleeps(scene: Scene): Iterable<Found> {
  const acts = scene.doing('run', 'evaluate').length > 0;
  for (const { use } of scene.doing('sleep')) {
    const amount = Number(use.args[0]?.constant ?? Number.NaN);
    const seconds = /WScript|WSH/.test(use.path) ? amount / 1000 : amount;
    if (!(seconds >= LONG_SECONDS) || use.loops > 0) continue;
    yield {
      family: FAMILY,
      name: 'long-sleep',
      ...at(use),
      score: acts ? 60 : 30,
      capability: 'environment',
      declared: acts ? 40 : 10,
      explanation: `This waits ${Math.round(seconds / 60)} minutes, longer than an analysis looks.`,
    };
  }
}

const MAKES_CODE = pathTrait(/(^|\.)(constructor|Function)(\(\))?$/);

/** `debugger` in a loop, made of a text so that no tool removes it. */
function* debuggers(scene: Scene): Iterable<Found> {
  for (const use of scene.having(MAKES_CODE)) {
    if (use.form === 'read') continue;
    if (
      !use.args.some(
        ({ constant }) =>
          typeof constant === 'string' &&
          /^\s*(debugger|while\s*\(true\)\s*\{\s*\})/.test(constant),
      )
    )
      continue;
    yield {
      family: FAMILY,
      name: 'debugger-trap',
      ...at(use),
      score: 70,
      explanation: 'This stops whoever looks at it with a debugger.',
    };
  }
}
