/** Time, memory and processes without a bound. */
import { pathTrait } from './path-traits.ts';
import { at, type Found, type Scene } from './scene.ts';

const FAMILY = 'resource-abuse' as const;

export function* resources(scene: Scene): Iterable<Found> {
  yield* endlessLoops(scene);
  yield* hugeAllocations(scene);
  yield* processFloods(scene);
}

/** More of them are told by these. */
const MOST_LOOPS = 50;

const GROWS =
  /\.(push|append|extend|add|set|concat|unshift|insert|update)$|Buffer\.alloc|\.repeat$|global\.(Array|\w+Array|ArrayBuffer|Buffer)\b/;

function* endlessLoops(scene: Scene): Iterable<Found> {
  for (const loop of scene.facts.loops.filter(({ endless }) => endless).slice(0, MOST_LOOPS)) {
    if (!loop.endless || loop.exits > 0) continue;
    // A generator or a coroutine hands control back each time.
    if (/\b(yield|await)\b/.test(scene.facts.text(loop.start, loop.end))) continue;
    const inside = scene.facts.uses.filter((use) => use.start >= loop.start && use.end <= loop.end);
    const grows = inside.some(({ path }) => GROWS.test(path));
    const waits = inside.some(({ path }) =>
      /sleep|wait|recv|read|accept|poll|select|next|get$|input/.test(path),
    );
    if (waits && !grows) continue;
    yield {
      family: FAMILY,
      name: grows ? 'endless-allocation' : 'endless-loop',
      ...at(loop),
      score: grows ? 82 : 70,
      capability: 'process',
      declared: grows ? 30 : inside.length === 0 ? 20 : 5,
      explanation: grows
        ? 'This loop never ends and takes more memory each time.'
        : 'This loop never ends and leaves no time to anything else.',
    };
  }
}

/** Bytes or items that nobody needs at once. */
const HUGE = 500_000_000;

const ALLOCATES = pathTrait(
  /\.(repeat|padStart|padEnd|ljust|rjust)$|(^global\.(Array|ArrayBuffer|SharedArrayBuffer|Uint8Array|Float64Array|Buffer\.(alloc|allocUnsafe))|py:builtins\.(bytearray|bytes))$/,
);

function* hugeAllocations(scene: Scene): Iterable<Found> {
  for (const use of scene.having(ALLOCATES)) {
    if (use.form === 'read') continue;
    const amount = Number(use.args[0]?.constant ?? 0);
    if (!(amount >= HUGE)) continue;
    yield {
      family: FAMILY,
      name: 'huge-allocation',
      ...at(use),
      score: 80,
      capability: 'process',
      declared: 35,
      explanation: `This takes room for ${amount} items at once.`,
    };
  }
}

function* processFloods(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.doing('run', 'worker')) {
    const forks = entry.acts?.includes('worker') === true;
    if (use.endlessLoop !== true || (!forks && scene.language === 'shell')) continue;
    const waits = scene.facts.uses.some(({ path }) =>
      /accept|wait|sleep|join|recv|get$/.test(path),
    );
    if (waits) continue;
    yield {
      family: FAMILY,
      name: 'process-flood',
      ...at(use),
      score: 95,
      capability: 'process',
      declared: forks ? 88 : 45,
      explanation: 'This starts processes or threads without end, until nothing else can run.',
    };
  }
  if (scene.language === 'shell') {
    // `f() { f | f & }; f`: a function that calls itself twice, in the background.
    const match =
      /(?:^|[\s;])([\w:.]{1,20})\s*\(\)\s*\{[^}]{0,80}\1\s*\|\s*\1\s*&[^}]{0,20}\}/.exec(
        scene.source.slice(0, 200_000),
      );
    if (match !== null) {
      yield {
        family: FAMILY,
        name: 'fork-bomb',
        start: match.index,
        end: match.index + match[0].length,
        score: 98,
        explanation: 'A function that starts itself twice, without end.',
      };
    }
  }
}
