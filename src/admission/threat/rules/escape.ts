/** Ways out of what the code runs in: the engine's realm, Python's restricted names, a container. */
import { ESCAPE_PLACES, placeOf } from '../catalogue/places.ts';
import type { Use } from '../facts.ts';
import { pathTrait } from './path-traits.ts';
import { at, type Found, type Scene, textsOf } from './scene.ts';

export function* escapes(scene: Scene): Iterable<Found> {
  if (scene.language === 'python') yield* pythonClimbs(scene);
  else if (scene.language !== 'shell') yield* realmClimbs(scene);
  yield* containerPlaces(scene);
}

const CLIMB = {
  family: 'sandbox-escape',
  remedy: 'Remove it: what the host hands in is all there is to use.',
} as const;

const CLIMBING = pathTrait(
  /constructor|__proto__|inding$|mainModule|prepareStackTrace|^global\.(Function|eval)$|getBuiltinModule/,
);
const GUARD = pathTrait(/^(node:vm|npm:vm2)/);

/** The interpreter tells these loaders as imports of what they load. */
const LOADER = /\b(process\??\.(?:mainModule|getBuiltinModule))\b/;

/** Uses that may climb, beside the paths by which they do. */
function climbs(scene: Scene): { readonly use: Use; readonly path: string }[] {
  const found: { use: Use; path: string }[] = [];
  for (const use of scene.imports) {
    const text = scene.facts.text(use.start, Math.min(use.end, use.start + 80));
    const loader = LOADER.exec(text)?.[1];
    if (loader !== undefined) found.push({ use, path: loader });
  }
  for (const use of scene.having(CLIMBING)) {
    if (use.form !== 'import') found.push({ use, path: use.path });
  }
  return found;
}

/** `x.constructor.constructor('…')()` makes a function of the realm that x comes from. */
function* realmClimbs(scene: Scene): Iterable<Found> {
  const guarded = scene.having(GUARD).length > 0;
  for (const { use, path } of climbs(scene)) {
    const texts = textsOf(use).join(' ');
    const reaches = /\b(process|require|mainModule|child_process|globalThis|Deno)\b/.test(texts);
    // `new x.constructor()` makes another x; code is made of a text.
    const makes = use.args.length > 0 || use.path.endsWith('()');
    if (/constructor\.constructor(\(\))?$/.test(use.path) && use.form !== 'read' && makes) {
      const isGlobal = /^\s*return this\s*;?\s*$/.test(texts);
      yield {
        ...CLIMB,
        name: 'constructor-climb',
        ...at(use),
        score: 100,
        ...(isGlobal ? ({ capability: 'dynamic-code', declared: 55 } as const) : {}),
        explanation:
          'This climbs from an object to the Function of its realm, which makes code of a text outside of the sandbox.',
      };
    } else if (
      /(^|\.)(__proto__\.){2,}|__proto__\..*constructor$/.test(use.path) &&
      use.form !== 'read'
    ) {
      yield {
        ...CLIMB,
        name: 'prototype-climb',
        ...at(use),
        score: 100,
        ...(reaches ? {} : ({ capability: 'dynamic-code', declared: 50 } as const)),
        explanation: 'This climbs the prototypes of an object to the constructor of functions.',
      };
    } else if (/process\.(_linkedB|b)inding$/.test(use.path) && use.form === 'call') {
      const strong =
        /spawn_sync|process_wrap|fs|contextify|pipe_wrap|tcp_wrap/.test(texts) &&
        !/^(fs|natives|constants)$/.test(texts);
      yield {
        ...CLIMB,
        name: 'process-binding',
        ...at(use),
        score: 100,
        capability: 'native-code',
        declared: strong ? 88 : 35,
        explanation: 'This takes an inner part of the runtime, beneath the checks of its modules.',
      };
    } else if (/process\??\.mainModule(\.require)?$/.test(path) && use.form !== 'read') {
      yield {
        ...CLIMB,
        name: 'main-module',
        ...at(use),
        score: 100,
        capability: 'module-loading',
        declared: 25,
        explanation:
          'This takes the loader of the main program, past the modules that it was given.',
      };
    } else if (use.path === 'global.Error.prepareStackTrace' && use.form === 'write') {
      const takes = scene.facts.uses.some(({ path }) => /\.(getThis|getFunction)$/.test(path));
      yield {
        ...CLIMB,
        name: 'prepare-stack-trace',
        ...at(use),
        score: takes ? 100 : 60,
        capability: 'process',
        declared: takes ? 85 : 0,
        explanation: 'This takes objects of the host out of its stack traces.',
      };
    } else if (
      /^global\.(Function|eval)$/.test(use.path) &&
      /process\.(mainModule|binding)|getBuiltinModule/.test(texts)
    ) {
      yield {
        ...CLIMB,
        name: 'function-climb',
        ...at(use),
        score: 100,
        ...(guarded ? {} : ({ capability: 'dynamic-code', declared: 82 } as const)),
        explanation: 'This has a text take the process object of the host and run as code.',
      };
    } else if (/process\??\.getBuiltinModule$/.test(path) && use.form !== 'read') {
      yield {
        ...CLIMB,
        name: 'builtin-module',
        ...at(use),
        score: 95,
        capability: 'module-loading',
        declared: 10,
        explanation: 'This takes a module past the loader.',
      };
    }
  }
}

/** `().__class__.__base__.__subclasses__()`: from any object to every class that is loaded. */
function* pythonClimbs(scene: Scene): Iterable<Found> {
  for (const use of scene.facts.uses) {
    // Of what is no named thing the path holds the last member alone; the text holds them all.
    const path = use.path.includes('__')
      ? `${use.path} ${scene.facts.text(use.start, Math.min(use.end, use.start + 400))}`
      : use.path;
    if (!use.path.includes('__') && !/getattr$|f_back/.test(use.path)) continue;
    const texts = textsOf(use);
    if (
      /__(class|base|bases|mro)__.*__subclasses__|__subclasses__(\(\))?.*__(init|globals|builtins)__/.test(
        path,
      )
    ) {
      yield {
        ...CLIMB,
        name: 'subclasses',
        ...at(use),
        score: 100,
        explanation:
          'This climbs from an object to all classes that are loaded, past the names it was given.',
      };
    } else if (
      /__globals__.*(__builtins__|\b(os|sys|system|subprocess)\b)|__(init|code|call)__\.__globals__|__traceback__.*f_globals|f_back\.(f_back|f_globals|f_builtins)/.test(
        path,
      )
    ) {
      yield {
        ...CLIMB,
        name: 'globals-climb',
        ...at(use),
        score: 100,
        capability: 'dynamic-code',
        declared: /__globals__.*(__builtins__|\b(os|system|subprocess)\b)/.test(path) ? 88 : 20,
        explanation: 'This takes the names of another module through one of its functions.',
      };
    } else if (
      /builtins\.getattr$/.test(path) &&
      texts.some((text) => /^__(subclasses|globals|builtins|bases|mro|code)__$/.test(text)) &&
      use.args.some(({ hidden }) => hidden !== undefined)
    ) {
      yield {
        ...CLIMB,
        name: 'hidden-attribute',
        ...at(use),
        score: 95,
        explanation:
          'This takes an inner attribute by a name that is put together, so that it is not seen.',
      };
    }
  }
}

/** What of it is written to, mounted or entered; who only names it may be its own engine. */
const OWN_ENGINE = /socket of the container/;

function* containerPlaces(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.located) {
    if (use.form === 'import' || use.form === 'read' || entry.family === undefined) continue;
    for (const text of textsOf(use)) {
      const place = placeOf(ESCAPE_PLACES, text);
      if (place === undefined) continue;
      const writes =
        use.form === 'write' ||
        entry.acts?.some((act) => act === 'write-file' || act === 'run') === true;
      yield {
        ...CLIMB,
        name: 'host-place',
        ...at(use),
        score: 100,
        capability: 'filesystem',
        declared: OWN_ENGINE.test(place.what) ? 40 : writes ? 92 : 55,
        explanation: `This reaches for ${place.what}.`,
      };
      break;
    }
  }
}
