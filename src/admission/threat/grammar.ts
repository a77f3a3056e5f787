/**
 * Grammars of tree-sitter, compiled to WebAssembly: loading one is asynchronous and happens once, parsing is not.
 * The package ships the files beside its bundle; in a clone they lie in their packages.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Language, Parser, type Tree } from 'web-tree-sitter';

import { CaissonError } from '../../core/error.ts';
import { ERROR_TYPE, type Symbols, type SyntaxProblem, SyntaxTree } from './syntax-tree.ts';

export type GrammarName = 'python' | 'bash';

/** Milliseconds of `performance.now()` after which nothing is begun; what was read by then is what there is. */
export type Deadline = number;

/** Units of UTF-16 handed over at once: fits tree-sitter's buffer of 10 KiB. */
const CHUNK = 4096;
/** Parts of the time that is left: after the first no more source is read, after the second the parser is stopped. */
const READING = 0.4;
const PARSING = 0.75;
/** Of 15 bytes each. */
const MOST_NODES = 4_000_000;
/** Of no use to a lowering. */
const PUNCTUATION = new Set(['(', ')', ',', '.']);
const KEPT = 0;
const SKIPPED = 1;
const COMMENT = 2;
const CHECK_EVERY = 1024;

export class Grammar {
  readonly #parser: Parser;
  readonly #symbols: Symbols;
  readonly #kept: Uint8Array;

  constructor(language: Language) {
    this.#parser = new Parser();
    this.#parser.setLanguage(language);
    const isNamed = language.types.map((_, type) => language.nodeTypeIsNamed(type));
    this.#symbols = { types: language.types, fields: language.fields, isNamed };
    this.#kept = Uint8Array.from(language.types, (name, type) => {
      if (name === 'comment') return COMMENT;
      const isSkipped = isNamed[type] ? name === 'line_continuation' : PUNCTUATION.has(name);
      return isSkipped ? SKIPPED : KEPT;
    });
  }

  /** Never throws for any source, lone surrogates and NULs among them. */
  parse(source: string, deadline: Deadline = Number.POSITIVE_INFINITY): SyntaxTree {
    const began = performance.now();
    const left = Math.max(0, deadline - began);
    const lastRead = began + left * READING;
    const lastStep = began + left * PARSING;
    let limit = source.length;
    let handed = 0;
    const read = (index: number): string | undefined => {
      if (limit === source.length && performance.now() > lastRead) limit = handed;
      if (index >= limit) return undefined;
      const end = Math.min(index + CHUNK, limit);
      handed = Math.max(handed, end);
      return source.slice(index, end);
    };
    let tree: Tree | null;
    try {
      tree = this.#parser.parse(read, null, {
        progressCallback: () => performance.now() > lastStep,
      });
      if (tree === null) this.#parser.reset();
    } catch {
      // WebAssembly's memory is at its end, say: what cannot be parsed is told, and counts as suspicious.
      return this.#nothing(source, 'the parser failed');
    }
    if (tree === null) return this.#nothing(source, 'time limit of parsing');
    const problems: SyntaxProblem[] = [];
    if (limit < source.length)
      problems.push({ message: 'time limit of parsing', start: limit, end: source.length });
    try {
      return this.#copy(tree, source, deadline, problems);
    } finally {
      tree.delete();
    }
  }

  #nothing(source: string, message: string): SyntaxTree {
    const problem = { message, start: 0, end: source.length };
    return new SyntaxTree(source, this.#symbols, emptyArrays(), [problem]);
  }

  #copy(tree: Tree, source: string, deadline: Deadline, problems: SyntaxProblem[]): SyntaxTree {
    const arrays = new GrowingArrays(source.length);
    const cursor = tree.walk();
    const open: number[] = [];
    const comments: { start: number; end: number }[] = [];
    let walking = true;
    while (walking) {
      const type = cursor.nodeTypeId;
      const kept = type === ERROR_TYPE ? KEPT : this.#kept[type];
      if (kept === COMMENT) comments.push({ start: cursor.startIndex, end: cursor.endIndex });
      else if (kept !== SKIPPED) {
        const start = cursor.startIndex;
        const end = cursor.endIndex;
        const node = arrays.push(type, cursor.currentFieldId, start, end);
        if (type === ERROR_TYPE) problems.push({ message: 'syntax error', start, end });
        else if (start === end && cursor.nodeIsMissing)
          problems.push({ message: `missing ${this.#symbols.types[type]}`, start, end });
        const enough =
          node >= MOST_NODES || (node % CHECK_EVERY === 0 && performance.now() > deadline);
        if (enough) {
          const message = node >= MOST_NODES ? 'too many nodes' : 'time limit of parsing';
          problems.push({ message, start, end: source.length });
          break;
        }
        if (cursor.gotoFirstChild()) {
          open.push(node);
          continue;
        }
      }
      while (!cursor.gotoNextSibling()) {
        const parent = open.pop();
        if (parent === undefined) {
          walking = false;
          break;
        }
        arrays.close(parent);
        cursor.gotoParent();
      }
    }
    for (const node of open) arrays.close(node);
    cursor.delete();
    return new SyntaxTree(source, this.#symbols, arrays, problems, comments);
  }
}

class GrowingArrays {
  count = 0;
  types: Uint16Array;
  fields: Uint8Array;
  starts: Int32Array;
  ends: Int32Array;
  nexts: Int32Array;

  constructor(sourceLength: number) {
    const size = Math.max(64, Math.ceil(sourceLength / 4));
    this.types = new Uint16Array(size);
    this.fields = new Uint8Array(size);
    this.starts = new Int32Array(size);
    this.ends = new Int32Array(size);
    this.nexts = new Int32Array(size);
  }

  push(type: number, field: number, start: number, end: number): number {
    const node = this.count++;
    if (node === this.types.length) this.#grow();
    this.types[node] = type;
    this.fields[node] = field;
    this.starts[node] = start;
    this.ends[node] = end;
    this.nexts[node] = node + 1;
    return node;
  }

  close(node: number): void {
    this.nexts[node] = this.count;
  }

  #grow(): void {
    const size = this.types.length * 2;
    this.types = grown(this.types, new Uint16Array(size));
    this.fields = grown(this.fields, new Uint8Array(size));
    this.starts = grown(this.starts, new Int32Array(size));
    this.ends = grown(this.ends, new Int32Array(size));
    this.nexts = grown(this.nexts, new Int32Array(size));
  }
}

function grown<Numbers extends Uint8Array | Uint16Array | Int32Array>(
  from: Numbers,
  to: Numbers,
): Numbers {
  to.set(from);
  return to;
}

const emptyArrays = () => new GrowingArrays(0);

const opened = new Map<GrammarName, Promise<Grammar>>();
let runtime: Promise<void> | undefined;

/** Loads a grammar, once; a failure is not remembered. */
export function openGrammar(name: GrammarName): Promise<Grammar> {
  let grammar = opened.get(name);
  if (grammar === undefined) {
    grammar = loadGrammar(name);
    opened.set(name, grammar);
    grammar.catch(() => opened.delete(name));
  }
  return grammar;
}

export function grammarNotOpen(language: string): CaissonError {
  return new CaissonError('INTERNAL', {
    layer: 'admission',
    message: `the grammar of ${language} is not open`,
    hint: 'call open() of its front end first',
  });
}

async function loadGrammar(name: GrammarName): Promise<Grammar> {
  runtime ??= Parser.init({
    locateFile: () => wasmFile('tree-sitter.wasm', 'web-tree-sitter/web-tree-sitter.wasm'),
  });
  try {
    await runtime;
  } catch (error) {
    runtime = undefined;
    throw error;
  }
  const file = `tree-sitter-${name}`;
  return new Grammar(
    await Language.load(await readFile(wasmFile(`${file}.wasm`, `${file}/${file}.wasm`))),
  );
}

/** Bundled it stands beside the code; in a clone in its package. */
function wasmFile(bundled: string, inPackage: string): string {
  const here = join(dirname(fileURLToPath(import.meta.url)), bundled);
  return existsSync(here) ? here : createRequire(import.meta.url).resolve(inPackage);
}
