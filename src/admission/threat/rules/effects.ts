/** Effects by themselves: what is undeclared counts in full, what is declared is a link of chains only. */
import type { Capability, ThreatFamily } from '../../../core/admission.ts';
import type { Use } from '../facts.ts';
import { FAMILIES } from '../families.ts';
import { at, type Found, type Scene } from './scene.ts';

/** Handing a function on is little less than calling it: somebody else does. */
const HANDED_ON = 0.9;

export function* effects(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.located) {
    const { family, weight = 1, does, onRead } = entry;
    if (family === undefined || use.form === 'import') continue;
    const indirectly = use.form === 'read' && onRead !== true;
    if (use.form === 'write' && scene.language !== 'shell') continue;
    yield {
      family,
      name: ruleName(use.path),
      ...at(use),
      score: FAMILIES[family].base * weight * (indirectly ? HANDED_ON : 1),
      ...declarable(family),
      explanation: `This ${does ?? 'has an effect'}.`,
    };
  }
  yield* imports(scene);
}

function declarable(family: ThreatFamily): { capability?: Capability; declared?: number } {
  const { capability } = FAMILIES[family];
  return capability === undefined ? {} : { capability, declared: 0 };
}

/** Modules that have no effect of their own, and those whose uses are looked at one by one. */
const HARMLESS =
  /^(node:(path(\/\w+)?|util(\/\w+)?|assert(\/\w+)?|url|querystring|string_decoder|buffer|events|punycode|timers(\/\w+)?|perf_hooks|crypto|zlib|stream(\/\w+)?|constants)|py:(__future__|abc|argparse|array|ast|asyncio|base64|binascii|bisect|builtins|calendar|cmath|codecs|collections|colorsys|contextlib|copy|csv|dataclasses|datetime|decimal|difflib|enum|errno|fnmatch|fractions|functools|gettext|graphlib|hashlib|heapq|hmac|html|inspect|io|itertools|json|keyword|locale|logging|math|numbers|operator|os|pathlib|pprint|queue|random|re|secrets|statistics|string|struct|sys|textwrap|threading|time|timeit|token|tokenize|traceback|types|typing|typing_extensions|unicodedata|unittest|urllib|uuid|warnings|weakref|xml|zlib|zoneinfo)(\..*)?)$/;

function* imports(scene: Scene): Iterable<Found> {
  for (const use of scene.imports) {
    if (HARMLESS.test(use.path) || isOwn(use)) continue;
    yield {
      family: 'module-loading',
      name: 'import',
      ...at(use),
      score: FAMILIES['module-loading'].base,
      capability: 'module-loading',
      declared: 0,
      explanation: `This loads the module ${use.path.replace(/^\w+:/, '')}, whose effects are not looked at here.`,
    };
  }
}

/** Files of the same module; they are looked at, too. */
const isOwn = (use: Use): boolean => /^(\w+:)?[./]/.test(use.path);

/** `node:fs.readFileSync` → `read-file-sync`. */
export function ruleName(path: string): string {
  const last = path.replaceAll('()', '').split(/[.:]/).filter(Boolean).at(-1) ?? path;
  const name = last
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'use' : name.slice(0, 40);
}
