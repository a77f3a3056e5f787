/** How complex a source is: what a scan of its text and its tree tell without any meaning. */
import type { Facts } from './facts.ts';
import type { ProgramTree } from './tree.ts';

export interface Measures {
  /** Of UTF-8. */
  readonly bytes: number;
  /** UTF-16 units. */
  readonly characters: number;
  readonly lines: number;
  /** UTF-16 units. */
  readonly longestLine: number;
  readonly averageLine: number;
  /** Share of the characters, 0–1, as all shares are. */
  readonly whitespaceShare: number;
  readonly nonAsciiShare: number;
  readonly digitShare: number;
  readonly commentShare: number;
  /** Of the characters below 256, in bits; 0–8. */
  readonly entropy: number;
  /** Words as identifiers are written, wherever they stand. */
  readonly words: number;
  /** How many of them differ, by a hash of 16 bits. */
  readonly distinctWords: number;
  readonly averageWord: number;
  /** Of one or two characters. */
  readonly shortWordShare: number;
  /** `_0x3f2a` and the like. */
  readonly hexWordShare: number;
  /** Of the tree; 0 where nothing could be parsed. */
  readonly nodes: number;
  readonly nesting: number;
  readonly functions: number;
  /** McCabe's number of the whole module: decisions and one. */
  readonly cyclomatic: number;
  readonly loops: number;
  readonly strings: number;
  readonly stringShare: number;
  readonly longestString: number;
}

export interface LexicalMeasures {
  readonly lines: number;
  readonly longestLine: number;
  readonly spaces: number;
  readonly wide: number;
  readonly digits: number;
  readonly entropy: number;
  readonly words: number;
  readonly distinctWords: number;
  readonly wordLetters: number;
  readonly shortWords: number;
  readonly hexWords: number;
  /** Of letters alone that look alike: eight of `IlOo01`, five of `_`. */
  readonly alikeWords: number;
}

/** 1: letter, `_`, `$`; 2: digit; 3: white space; 0: the rest. */
const CLASSES = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const text = String.fromCharCode(code);
  CLASSES[code] = /[A-Za-z_$]/.test(text) ? 1 : /[0-9]/.test(text) ? 2 : /\s/.test(text) ? 3 : 0;
}

/** Of `I`, `l`, `O`, `o`, and of `0` and `1` after the first. */
function looksAlike(source: string, start: number, end: number): boolean {
  const first = source.charCodeAt(start);
  if (end - start < (first === 95 ? 5 : 8)) return false;
  for (let i = start; i < end; i++) {
    const unit = source.charCodeAt(i);
    const isAlike =
      first === 95
        ? unit === 95
        : unit === 73 || unit === 108 || unit === 79 || unit === 111 || unit === 48 || unit === 49;
    if (!isAlike) return false;
  }
  return true;
}

/** One pass over the text. */
export function measureText(source: string): LexicalMeasures {
  const histogram = new Uint32Array(256);
  const seen = new Uint8Array(8192);
  const { length } = source;
  let lines = 1;
  let lineStart = 0;
  let longestLine = 0;
  let wide = 0;
  let words = 0;
  let distinctWords = 0;
  let wordLetters = 0;
  let shortWords = 0;
  let hexWords = 0;
  let alikeWords = 0;
  for (let i = 0; i < length; i++) {
    const code = source.charCodeAt(i);
    if (code > 127) {
      wide++;
      if (code < 256) histogram[code] = (histogram[code] as number) + 1;
      continue;
    }
    histogram[code] = (histogram[code] as number) + 1;
    if (code === 10) {
      lines++;
      if (i - lineStart > longestLine) longestLine = i - lineStart;
      lineStart = i + 1;
      continue;
    }
    if (CLASSES[code] !== 1) continue;
    const start = i;
    let hash = code;
    while (++i < length) {
      const next = source.charCodeAt(i);
      if (next > 127) break;
      const kind = CLASSES[next];
      if (kind !== 1 && kind !== 2) break;
      hash = (Math.imul(hash, 31) + next) | 0;
      histogram[next] = (histogram[next] as number) + 1;
    }
    const size = i - start;
    words++;
    wordLetters += size;
    if (size <= 2) shortWords++;
    else if (size > 4 && looksAlike(source, start, i)) alikeWords++;
    if (
      size > 4 &&
      code === 95 &&
      source.charCodeAt(start + 1) === 48 &&
      source.charCodeAt(start + 2) === 120
    )
      hexWords++;
    const slot = (hash ^ (hash >>> 16)) & 0xffff;
    const bit = 1 << (slot & 7);
    const byte = seen[slot >> 3] as number;
    if ((byte & bit) === 0) {
      seen[slot >> 3] = byte | bit;
      distinctWords++;
    }
    i--;
  }
  if (length - lineStart > longestLine) longestLine = length - lineStart;
  let total = 0;
  let spaces = 0;
  let digits = 0;
  for (let code = 0; code < 256; code++) {
    const count = histogram[code] as number;
    total += count;
    if (code < 128 && CLASSES[code] === 3) spaces += count;
    if (code < 128 && CLASSES[code] === 2) digits += count;
  }
  let entropy = 0;
  for (let code = 0; code < 256; code++) {
    const share = (histogram[code] as number) / (total || 1);
    if (share > 0) entropy -= share * Math.log2(share);
  }
  return {
    lines,
    longestLine,
    spaces,
    wide,
    digits,
    entropy,
    words,
    distinctWords,
    wordLetters,
    shortWords,
    hexWords,
    alikeWords,
  };
}

export interface StructuralCounts {
  readonly functions: number;
  readonly decisions: number;
}

export function measure(
  text: LexicalMeasures,
  characters: number,
  bytes: number,
  tree: ProgramTree | undefined,
  facts: Facts,
  counts: StructuralCounts,
): Measures {
  const of = (part: number): number => part / (characters || 1);
  const perWord = (part: number): number => part / (text.words || 1);
  let commented = 0;
  for (const { start, end } of tree?.comments ?? []) commented += end - start;
  return {
    bytes,
    characters,
    lines: text.lines,
    longestLine: text.longestLine,
    averageLine: characters / text.lines,
    whitespaceShare: of(text.spaces),
    nonAsciiShare: of(text.wide),
    digitShare: of(text.digits),
    commentShare: Math.min(1, of(commented)),
    entropy: text.entropy,
    words: text.words,
    distinctWords: text.distinctWords,
    averageWord: perWord(text.wordLetters),
    shortWordShare: perWord(text.shortWords),
    hexWordShare: perWord(text.hexWords),
    nodes: tree?.nodes ?? 0,
    nesting: tree?.depth ?? 0,
    functions: counts.functions,
    cyclomatic: counts.decisions + 1,
    loops: facts.loops.length,
    strings: facts.strings.count,
    stringShare: Math.min(1, of(facts.strings.totalLength)),
    longestString: facts.strings.longest?.length ?? 0,
  };
}
