/**
 * YAML (and so JSON) text to plain values with a place for each, and nothing that YAML can do
 * beyond that: no aliases, tags, merge keys, duplicate keys, several documents, or deep nesting.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import {
  type DocumentPath,
  formatPath,
  type Locate,
  type Place,
  type Problem,
} from './problems.ts';

/** A policy nests four deep. */
const DEEPEST = 16;

/** Keys that reach the prototype of an object when it is copied carelessly. */
const REFUSED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export interface YamlSource {
  /** Plain objects, arrays, strings, numbers, booleans and null. */
  readonly value: unknown;
  readonly locate: Locate;
  readonly problems: readonly Problem[];
}

export function readYaml(text: string, source: string): YamlSource {
  const nul = text.indexOf('\0');
  if (nul >= 0) return refuse(source, placeOf(text, nul), 'the text holds a NUL byte');
  const lines = new LineCounter();
  // uniqueKeys would be quadratic in the number of keys; the reader below checks in linear time.
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    // 'silent' would take the first of several documents without a word.
    logLevel: 'error',
    schema: 'core',
    stringKeys: true,
  });
  const reader = new Reader(source, lines);
  for (const error of [...document.errors, ...document.warnings]) {
    reader.report([], reader.place(error.pos[0]), firstSentence(error.message));
  }
  const value = reader.problems.length > 0 ? undefined : reader.read(document.contents, [], 0);
  return { value, locate: reader.locate, problems: reader.problems };
}

class Reader {
  readonly problems: Problem[] = [];
  readonly #source: string;
  readonly #lines: LineCounter;
  readonly #keys = new Map<string, Place>();
  readonly #values = new Map<string, Place>();

  constructor(source: string, lines: LineCounter) {
    this.#source = source;
    this.#lines = lines;
  }

  readonly locate: Locate = (path, part) => {
    // Where the thing itself has no place (a key that is missing), its nearest parent has.
    for (let length = path.length; length >= 0; length--) {
      const id = JSON.stringify(path.slice(0, length));
      const place = (part === 'key' ? this.#keys.get(id) : undefined) ?? this.#values.get(id);
      if (place) return place;
    }
    return undefined;
  };

  place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }

  report(path: DocumentPath, place: Place | undefined, message: string, suggestion?: string): void {
    this.problems.push({
      path: formatPath(path),
      source: this.#source,
      ...place,
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }

  read(node: Node | null, path: DocumentPath, depth: number): unknown {
    if (!node) return null;
    const place = node.range ? this.place(node.range[0]) : undefined;
    if (place) this.#values.set(JSON.stringify(path), place);
    if (depth > DEEPEST) {
      this.report(path, place, `nested deeper than ${DEEPEST} levels`);
      return null;
    }
    if (isAlias(node)) {
      this.report(path, place, 'aliases are not allowed', 'write the value out, or use `extends`');
      return null;
    }
    if (node.anchor !== undefined) this.report(path, place, 'anchors are not allowed');
    if (node.tag?.startsWith('tag:yaml.org,2002:') === false || isTagged(node)) {
      this.report(path, place, 'tags are not allowed');
    }
    if (isMap(node)) return this.#readMap(node.items, path, depth);
    if (isSeq(node)) {
      return node.items.map((item, i) => this.read(item as Node | null, [...path, i], depth + 1));
    }
    return isScalar(node) ? this.#readScalar(node, path, place) : null;
  }

  #readMap(
    items: readonly { key: unknown; value: unknown }[],
    path: DocumentPath,
    depth: number,
  ): unknown {
    const entries = new Map<string, unknown>();
    for (const { key: keyNode, value } of items) {
      const key = isScalar(keyNode) ? keyNode : undefined;
      const place = key?.range ? this.place(key.range[0]) : undefined;
      if (typeof key?.value !== 'string') {
        this.report(path, place, 'a key is not a word');
        continue;
      }
      const name = key.value;
      const at = [...path, name];
      if (place) this.#keys.set(JSON.stringify(at), place);
      if (key.anchor !== undefined) this.report(at, place, 'anchors are not allowed');
      if (name.includes('\0')) this.report(path, place, 'a key holds a NUL byte');
      else if (REFUSED_KEYS.has(name)) this.report(at, place, 'this key is not allowed');
      else if (entries.has(name)) {
        this.report(at, place, 'this key stands here twice', 'keep one of the two');
      } else {
        entries.set(name, this.read(value as Node | null, at, depth + 1));
        const id = JSON.stringify(at);
        if (place && !this.#values.has(id)) this.#values.set(id, place);
      }
    }
    return Object.fromEntries(entries);
  }

  #readScalar(
    node: { value: unknown; source?: string; type?: string | undefined },
    path: DocumentPath,
    place: Place | undefined,
  ): unknown {
    // `VERSION: 1.10` is meant as it is written, not as the number 1.1.
    if (path[0] === 'environment' && path[1] === 'set' && path.length === 3) {
      if (node.value !== null && node.source !== undefined)
        return this.#text(node.source, path, place);
    }
    if (typeof node.value === 'string') return this.#text(node.value, path, place);
    if (node.value === null || ['number', 'boolean'].includes(typeof node.value)) return node.value;
    this.report(path, place, 'not a value that a policy can hold');
    return null;
  }

  #text(text: string, path: DocumentPath, place: Place | undefined): string {
    if (text.includes('\0')) this.report(path, place, 'the value holds a NUL byte');
    return text;
  }
}

/** An explicit tag, also one of YAML's own such as `!!str`. */
function isTagged(node: Node): boolean {
  return node.tag !== undefined;
}

function refuse(source: string, place: Place, message: string): YamlSource {
  return {
    value: undefined,
    locate: () => undefined,
    problems: [{ path: '', source, ...place, message }],
  };
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function firstSentence(message: string): string {
  return message.split('\n')[0] ?? message;
}
