/** Uses, texts and loops as they are found. */

import type { SourceRange } from '../../../core/admission.ts';
import type { Facts, LoopFact, StringFacts, TextFact, Use, Value } from '../facts.ts';
import { LineIndex } from '../line-index.ts';
import { isMostlyBase64, isMostlyHex } from './encodings.ts';
import { Known, labelsOf, originsOf } from './known.ts';

const MOST_TEXTS = 20_000;
const MOST_USES = 50_000;
const MOST_JOINED = 64;
const MOST_TABLES = 100;
const NO_VALUES: readonly Value[] = [];

/** A use that is written once and seen again at each walk: its fields follow what was known last. */
export class UseRecord implements Use {
  readonly path: string;
  readonly form: Use['form'];
  readonly start: number;
  readonly end: number;
  args: readonly Value[] = NO_VALUES;
  named: Use['named'];
  input: Value | undefined;
  receiver: Value | undefined;
  indirect: true | undefined;
  under: readonly Use[] | undefined;
  loops = 0;
  endlessLoop: true | undefined;
  within = 0;
  /** Another use at the same place. */
  next: UseRecord | undefined;

  #itself: readonly UseRecord[] | undefined;

  constructor(path: string, form: Use['form'], start: number, end: number) {
    this.path = path;
    this.form = form;
    this.start = start;
    this.end = end;
  }

  /** As origins of a value. */
  get itself(): readonly UseRecord[] {
    this.#itself ??= Array.of<UseRecord>(this);
    return this.#itself;
  }
}

class TextRecord implements TextFact {
  readonly value: string;
  readonly start: number;
  readonly end: number;
  readonly hidden: Value['hidden'];

  constructor(value: string, start: number, end: number, hidden: Value['hidden']) {
    this.value = value;
    this.start = start;
    this.end = end;
    this.hidden = hidden;
  }
}

export class Recorder {
  readonly uses: UseRecord[] = [];
  readonly loops: LoopFact[] = [];
  readonly #texts: TextFact[] = [];
  readonly #folded = new Set<string>();
  readonly #tables = new Map<number, StringFacts['tables'][number]>();
  readonly #source: string;
  #count = 0;
  #totalLength = 0;
  #longest: StringFacts['longest'];
  #escaped = 0;
  #base64 = 0;
  #hex = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** The use of `path` at `node`, made where it is new; undefined when there are too many. */
  use(
    node: { readonly start: number; readonly end: number; use?: object | undefined },
    path: string,
    form: Use['form'],
  ): UseRecord | undefined {
    let last: UseRecord | undefined;
    for (let at = node.use as UseRecord | undefined; at !== undefined; at = at.next) {
      if (at.path === path && at.form === form) return at;
      last = at;
    }
    if (this.uses.length >= MOST_USES) return undefined;
    const made = new UseRecord(path, form, node.start, node.end);
    if (last === undefined) node.use = made;
    else last.next = made;
    this.uses.push(made);
    return made;
  }

  text(value: string, start: number, end: number): void {
    const { length } = value;
    this.#count++;
    this.#totalLength += length;
    if (length < 3) return;
    if (this.#texts.length < MOST_TEXTS) {
      this.#texts.push(new TextRecord(value, start, end, undefined));
    }
    if (this.#longest === undefined || length > this.#longest.length) {
      this.#longest = { start, end, length };
    }
    if (end - start > length * 3 && this.#source.charCodeAt(start + 1) === 92) this.#escaped++;
    if (length > 40) {
      if (isMostlyHex(value)) this.#hex++;
      else if (isMostlyBase64(value)) this.#base64++;
    }
  }

  folded(value: string, start: number, end: number, hidden: Value['hidden']): void {
    if (value.length < 3 || this.#texts.length >= MOST_TEXTS) return;
    const key = `${start}:${value.length > 200 ? value.slice(0, 200) + value.length : value}`;
    if (this.#folded.has(key)) return;
    this.#folded.add(key);
    this.#texts.push(new TextRecord(value, start, end, hidden));
  }

  table(start: number, end: number, items: number): void {
    if (this.#tables.size < MOST_TABLES) this.#tables.set(start, { start, end, items });
  }

  facts(stoppedBy: Facts['stoppedBy']): Facts {
    const source = this.#source;
    let lines: LineIndex | undefined;
    const place: LineIndex['place'] = (offset) => {
      lines ??= new LineIndex(source);
      return lines.place(offset);
    };
    return {
      uses: inOrder(this.uses),
      strings: {
        texts: this.#texts,
        count: this.#count,
        totalLength: this.#totalLength,
        longest: this.#longest,
        escaped: this.#escaped,
        base64: this.#base64,
        hex: this.#hex,
        tables: [...this.#tables.values()],
      },
      loops: this.loops,
      ...(stoppedBy === undefined ? {} : { stoppedBy }),
      range: (start, end): SourceRange => {
        const from = place(start);
        const to = place(end);
        return {
          start,
          end,
          line: from.line,
          column: from.column,
          endLine: to.line,
          endColumn: to.column,
        };
      },
      text: (start, end) => source.slice(start, end),
    };
  }
}

/** As rules see it: a list's `constant` is its items that fold; what an object holds is in its labels. */
export function shown(value: Known): Known {
  const { shape, closure } = value;
  if (shape === undefined) {
    if (closure === undefined || value.path !== undefined) return value;
    return new Known(
      value.constant,
      'function',
      value.labels,
      value.origins,
      value.hidden,
      shape,
      closure,
      value.also,
    );
  }
  let { constant, hidden } = value;
  if (shape.list !== undefined) {
    const parts: string[] = [];
    for (const item of shape.list) {
      if (parts.length >= MOST_JOINED) break;
      if (item.constant === undefined || item.constant === null) continue;
      parts.push(String(item.constant));
      hidden ??= item.hidden;
    }
    if (parts.length > 0) constant = parts.join(' ');
  }
  return new Known(
    constant,
    value.path,
    labelsOf(value),
    originsOf(value),
    hidden,
    shape,
    closure,
    value.also,
  );
}

/** More than there can be uses. */
const PLACES = 1 << 16;

/** By where they begin, those that end last first; numbers sort several times as fast as records. */
function inOrder(uses: readonly UseRecord[]): readonly UseRecord[] {
  const keys = new Float64Array(uses.length);
  for (let i = 0; i < uses.length; i++) keys[i] = (uses[i] as UseRecord).start * PLACES + i;
  keys.sort();
  const sorted: UseRecord[] = [];
  for (const key of keys) {
    const use = uses[key % PLACES] as UseRecord;
    let at = sorted.length;
    for (; at > 0; at--) {
      const before = sorted[at - 1] as UseRecord;
      if (before.start !== use.start || before.end >= use.end) break;
      sorted[at] = before;
    }
    sorted[at] = use;
  }
  return sorted;
}
