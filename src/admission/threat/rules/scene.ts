/** What all rules look at, prepared once for a file. */
import type { Capability, ThreatFamily } from '../../../core/admission.ts';
import { type Place, placeOf } from '../catalogue/places.ts';
import { type Act, type Entry, entryOf, type SourceLanguage } from '../catalogue.ts';
import type { LexicalMeasures } from '../complexity.ts';
import type { Facts, Labels, TextFact, Use, Value } from '../facts.ts';
import { type PathTrait, traitsOf } from './path-traits.ts';

export interface RuleContext {
  readonly language: SourceLanguage;
  /** Base name and folders matter to few rules: `setup.py`. */
  readonly path?: string | undefined;
  readonly declares: ReadonlySet<Capability>;
  /** As it was read; findings' places are offsets in it. */
  readonly source: string;
  readonly lexical: LexicalMeasures;
  /** What the analysis could not do; see `analyzer.ts`. */
  readonly notes?: readonly string[] | undefined;
}

/** A use of something that the catalogue knows. */
export interface Located {
  readonly use: Use;
  readonly entry: Entry;
}

class LocatedUse implements Located {
  readonly use: Use;
  readonly entry: Entry;

  constructor(use: Use, entry: Entry) {
    this.use = use;
    this.entry = entry;
  }
}

export interface Scene extends RuleContext {
  readonly facts: Facts;
  readonly located: readonly Located[];
  readonly texts: readonly TextFact[];
  /** There is more of one thing than is looked at. */
  readonly isCut: boolean;
  /** Reads of what gives something by being read: variables of the environment. */
  readonly reads: readonly Located[];
  /** Uses that do one of these, in order; at most 1,000, so that this ends. */
  readonly doing: (...acts: Act[]) => readonly Located[];
  readonly imports: readonly Use[];
  /** Uses whose path has one of these traits, in order. */
  readonly having: (traits: PathTrait) => readonly Use[];
  /** Texts that name one of these places, in order. */
  readonly placed: (places: readonly Place[]) => readonly PlacedText[];
}

export interface PlacedText {
  readonly text: TextFact;
  readonly place: Place;
}

/** What a rule has found, before it is told in a report. */
export interface Found {
  readonly family: ThreatFamily;
  /** Last part of the rule's name, in kebab-case. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Where what it needs is not declared, or cannot be. */
  readonly score: number;
  /** Where it is declared: default the same. Only with `capability`. */
  readonly declared?: number;
  readonly capability?: Capability;
  readonly explanation: string;
  readonly remedy?: string;
  /** Uses on the way from source to sink; told with their places. */
  readonly flow?: readonly Use[];
}

export type Rule = (scene: Scene) => Iterable<Found>;

/** What does more of one thing than this does not do something else by it. */
const MOST_DOING = 1000;
const MOST_LOCATED = 50_000;
const NONE: readonly Located[] = [];
const NO_USES: readonly Use[] = [];
const NO_TEXTS: readonly PlacedText[] = [];

export function sceneOf(facts: Facts, context: RuleContext): Scene {
  const located: Located[] = [];
  let isCut = false;
  const byAct = new Map<Act, Located[]>();
  const imports: Use[] = [];
  const reads: Located[] = [];
  const notable: Use[] = [];
  const traitsOfNotable: number[] = [];
  const { uses } = facts;
  for (let i = 0; i < uses.length; i++) {
    const use = uses[i] as Use;
    const { path, form } = use;
    if (form === 'import') imports.push(use);
    const traits = traitsOf(path);
    if (traits !== 0) {
      notable.push(use);
      traitsOfNotable.push(traits);
    }
    const entry = entryOf(context.language, path);
    if (entry === undefined || entry.when?.(use) === false) continue;
    const one = new LocatedUse(use, entry);
    located.push(one);
    if (form === 'import') continue;
    if (form === 'read') {
      if (entry.onRead !== true) continue;
      if (reads.length < MOST_DOING) reads.push(one);
    }
    for (const act of entry.acts ?? []) {
      const known = byAct.get(act);
      if (known === undefined) byAct.set(act, [one]);
      else if (known.length < MOST_DOING) known.push(one);
      else isCut = true;
    }
  }
  isCut ||= located.length > MOST_LOCATED;
  const merged = new Map<string, readonly Located[]>();
  const doing = (...acts: Act[]): readonly Located[] => {
    const [first] = acts;
    if (acts.length === 1 && first !== undefined) return byAct.get(first) ?? NONE;
    const key = acts.join();
    let list = merged.get(key);
    if (list === undefined) {
      list = [...new Set(acts.flatMap((act) => byAct.get(act) ?? NONE))]
        .sort((a, b) => a.use.start - b.use.start)
        .slice(0, MOST_DOING);
      merged.set(key, list);
    }
    return list;
  };
  const having = (wanted: PathTrait): readonly Use[] => {
    const found = notable.filter((_, i) => ((traitsOfNotable[i] as number) & wanted) !== 0);
    return found.length === 0 ? NO_USES : found;
  };
  const { texts } = facts.strings;
  return {
    ...context,
    facts,
    located,
    texts,
    reads,
    isCut,
    doing,
    imports,
    having,
    placed: placedAmong(texts),
  };
}

/** The same text stands in many places of a source: it is looked at once. */
function placedAmong(texts: readonly TextFact[]): Scene['placed'] {
  let distinct: Set<string> | undefined;
  const known = new Map<readonly Place[], readonly PlacedText[]>();
  return (places) => {
    const before = known.get(places);
    if (before !== undefined) return before;
    if (distinct === undefined) {
      distinct = new Set();
      for (const { value } of texts) distinct.add(value);
    }
    let named: Map<string, Place> | undefined;
    distinct.forEach((value) => {
      const place = placeOf(places, value);
      if (place === undefined) return;
      named ??= new Map();
      named.set(value, place);
    });
    const found = named === undefined ? NO_TEXTS : textsNaming(texts, named);
    known.set(places, found);
    return found;
  };
}

function textsNaming(
  texts: readonly TextFact[],
  named: ReadonlyMap<string, Place>,
): readonly PlacedText[] {
  const found: PlacedText[] = [];
  for (const text of texts) {
    const place = named.get(text.value);
    if (place !== undefined) found.push({ text, place });
  }
  return found;
}

/** Everything that reaches a use. */
export function valuesOf(use: Use): readonly Value[] {
  return [
    ...use.args,
    ...(use.named === undefined ? [] : Object.values(use.named)),
    ...(use.input === undefined ? [] : [use.input]),
    ...(use.receiver === undefined ? [] : [use.receiver]),
  ];
}

export const labelsOf = (use: Use): Labels =>
  valuesOf(use).reduce((labels, value) => labels | value.labels, 0);

const JOINS = /(^|[.:])(join|resolve|joinpath|Path)$/;

/** Constant texts in what reaches a use, those within lists and objects and other branches, too; at most 100. */
export function textsOf(use: Use): readonly string[] {
  const texts: string[] = [];
  for (const value of valuesOf(use)) gather(value, texts, 0);
  // A path that is put together of parts names its place only as a whole.
  if (texts.length > 1 && JOINS.test(use.path)) texts.push(texts.join('/'));
  return texts;
}

function gather(value: Value, texts: string[], depth: number): void {
  if (texts.length >= 100 || depth > 4) return;
  if (typeof value.constant === 'string') texts.push(value.constant);
  for (const item of value.items ?? []) gather(item, texts, depth + 1);
  for (const item of value.entries?.values() ?? []) gather(item, texts, depth + 1);
  for (const other of value.also ?? []) gather(other, texts, depth + 1);
}

/** Uses that what reaches a use came from, nearest last; those before them, too, down to 4 steps. */
export function originsOf(use: Use): readonly Use[] {
  const origins = new Set<Use>();
  let visits = 0;
  const visit = (one: Use, depth: number): void => {
    if (++visits > 64) return;
    for (const value of valuesOf(one)) {
      for (const origin of value.origins) {
        if (origin === use || origins.has(origin) || origins.size >= 32) continue;
        if (depth < 4) visit(origin, depth + 1);
        origins.add(origin);
      }
    }
  };
  visit(use, 0);
  return [...origins];
}

/**
 * Origins whose thing gives one of these labels: where the flow begins. Reads of variables are no origins by
 * themselves; the nearest one before the use that gives the label stands for them.
 */
export function sourcesOf(scene: Scene, use: Use, labels: Labels): readonly Use[] {
  const origins = originsOf(use);
  const sources = origins.filter((origin) => gives(scene, origin, labels));
  const named = new Set(
    valuesOf(use)
      .concat(origins.flatMap(valuesOf))
      .map(({ path }) => path),
  );
  const reads = scene.reads.filter(({ entry }) => ((entry.gives ?? 0) & labels) !== 0);
  const exact = reads.filter(({ use: read }) => named.has(read.path)).map((one) => one.use);
  if (exact.length > 0) return [...new Set([...sources, ...exact])];
  if (sources.length > 0) return sources;
  const before = reads.filter(({ use: read }) => read.start <= use.end);
  return before.slice(-1).map((one) => one.use);
}

const gives = (scene: Scene, use: Use, labels: Labels): boolean =>
  ((entryOf(scene.language, use.path)?.gives ?? 0) & labels) !== 0;

/** At most 8 steps of a flow, in the order of the text, ending at the sink. */
export function flowTo(sink: Use, sources: readonly Use[]): readonly Use[] {
  return [...[...sources].slice(0, 7).sort((a, b) => a.start - b.start), sink];
}

export const at = (use: { start: number; end: number }): { start: number; end: number } => ({
  start: use.start,
  end: use.end,
});
