/** Changes of prototypes that all objects share. */
import type { Use, Value } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { pathTrait } from './path-traits.ts';
import { at, type Found, type Scene } from './scene.ts';

const SHARED =
  /^global\.(Object|Array|Function|String|Number|Promise|RegExp|Map|Set|Date|Error|Symbol)\.prototype\b/;

const DEFINES =
  /^global\.(Object|Reflect)\.(defineProperty|defineProperties|assign|setPrototypeOf|set)$/;
const GUARDS = pathTrait(/hasOwnProperty|Object\.hasOwn$|Object\.create$/);
/** Whatever one of the patterns of this file matches. */
const MAY_POLLUTE = pathTrait(
  new RegExp(`${SHARED.source}|${DEFINES.source}|__proto__|constructor\\.prototype|\\[\\]`),
);

export function* pollution(scene: Scene): Iterable<Found> {
  if (scene.language === 'shell' || scene.language === 'python') return;
  const guarded = (): boolean =>
    scene.having(GUARDS).length > 0 ||
    scene.texts.some(({ value }) => /^(__proto__|prototype|constructor)$/.test(value));
  for (const use of scene.having(MAY_POLLUTE)) {
    if (use.form === 'write') yield* writes(use, guarded);
    else if (DEFINES.test(use.path)) {
      const target = use.args[0]?.path;
      if (target === undefined || !SHARED.test(target)) continue;
      yield {
        ...found(use),
        name: 'shared-prototype',
        score: 85,
        capability: 'process',
        declared: 20,
        explanation: `This changes ${target.replace('global.', '')}, which all objects of its kind share.`,
      };
    }
  }
}

const found = (use: Use): Pick<Found, 'family' | 'start' | 'end'> => ({
  family: 'prototype-pollution',
  ...at(use),
});

const fromCaller = (value: Value | undefined): boolean =>
  ((value?.labels ?? 0) & (LABELS.caller | LABELS.network)) !== 0 && value?.constant === undefined;

function* writes(use: Use, guarded: () => boolean): Iterable<Found> {
  if (SHARED.test(use.path)) {
    yield {
      ...found(use),
      name: 'shared-prototype',
      score: 85,
      capability: 'process',
      declared: /^global\.Object\.prototype/.test(use.path) ? 30 : 10,
      explanation: `This changes ${use.path.replace('global.', '')}, which all objects of its kind share.`,
    };
  } else if (/__proto__\.[^.]+$|constructor\.prototype\.[^.]+$|__proto__\[\]$/.test(use.path)) {
    yield {
      ...found(use),
      name: 'through-instance',
      score: 85,
      capability: 'process',
      declared: 45,
      explanation:
        'This changes a prototype by way of one of its objects: all others change with it.',
    };
  } else if (use.path.endsWith('.__proto__')) {
    yield {
      ...found(use),
      name: 'own-prototype',
      score: 45,
      capability: 'process',
      declared: 0,
      explanation: 'This gives an object another prototype.',
    };
  } else if (
    use.loops > 0 &&
    /\[\](\[\]|\.[^.]+)?$/.test(use.path) &&
    fromCaller(use.args[1]) &&
    nested(use) &&
    !guarded()
  ) {
    yield {
      ...found(use),
      name: 'unguarded-merge',
      score: 85,
      capability: 'process',
      declared: 25,
      explanation:
        'This copies keys that come from the caller, __proto__ among them, into nested objects.',
      remedy:
        'Skip the keys __proto__, constructor and prototype, or copy into Object.create(null).',
    };
  }
}

/** One level of keys replaces at most the object's own prototype; from the second on, everybody's. */
const nested = (use: Use): boolean => /\[\]\[\]|\[\]\./.test(use.path) || fromCaller(use.args[0]);
