/** What is known of the named things of each language. */
import type { Entry } from './catalogue/entry.ts';
import { type Catalogue, findEntry } from './catalogue/entry.ts';
import { addGlobals } from './catalogue/javascript-globals.ts';
import { addNode } from './catalogue/javascript-node.ts';
import { addPackages } from './catalogue/javascript-packages.ts';
import { addPythonPackages } from './catalogue/python-packages.ts';
import { addPythonStandard } from './catalogue/python-standard.ts';
import { addShell } from './catalogue/shell.ts';
import type { Effects } from './facts.ts';

export type { Act, Entry } from './catalogue/entry.ts';

export type SourceLanguage = 'javascript' | 'typescript' | 'python' | 'shell';

interface Known {
  readonly catalogue: Catalogue;
  /** Answers of {@link findEntry}, also that there is none. */
  readonly found: Map<string, Entry | undefined>;
  /** One for each language: interpreters keep by it what they were told. */
  readonly effects: Effects;
}

const KNOWN = new Map<SourceLanguage, Known>();

/** Texts of the code make paths: the memory of answers is bounded. */
const REMEMBERED = 20_000;

function known(language: SourceLanguage): Known {
  const name = language === 'typescript' ? 'javascript' : language;
  let one = KNOWN.get(name);
  if (one === undefined) {
    const catalogue: Catalogue = new Map();
    for (const add of {
      javascript: [addNode, addGlobals, addPackages],
      python: [addPythonStandard, addPythonPackages],
      shell: [addShell],
    }[name]) {
      add(catalogue);
    }
    one = { catalogue, found: new Map(), effects: (path) => entryOf(name, path) };
    KNOWN.set(name, one);
  }
  return one;
}

/** Names that stand for another: what is promised of one holds for the other. */
const SAME: readonly (readonly [string, string])[] = [
  ['node:fs/promises', 'node:fs'],
  ['node:fs.promises', 'node:fs'],
  ['npm:graceful-fs', 'node:fs'],
  ['npm:fs-extra', 'node:fs'],
  ['npm:fs-promise', 'node:fs'],
  ['npm:mz/fs', 'node:fs'],
  ['npm:mz/child_process', 'node:child_process'],
  ['global.console.constructor', 'global.Function'],
  ['npm:axios.default', 'npm:axios'],
];

function canonical(path: string): string {
  for (const [from, to] of SAME) {
    if (path.startsWith(from) && !/[\w-]/.test(path.charAt(from.length))) {
      return to + path.slice(from.length);
    }
  }
  return path;
}

/** What is known of what stands at a canonical path; see facts.ts for how paths are written. */
export function entryOf(language: SourceLanguage, path: string): Entry | undefined {
  const { catalogue, found } = known(language);
  if (found.has(path)) return found.get(path);
  const entry = path === '' ? undefined : findEntry(catalogue, canonical(path));
  if (found.size >= REMEMBERED) found.clear();
  found.set(path, entry);
  return entry;
}

/** What the interpreter asks. */
export function effectsOf(language: SourceLanguage): Effects {
  return known(language).effects;
}

/** All paths that are named; for tests and documents. */
export function namedPaths(language: SourceLanguage): readonly string[] {
  return [...known(language).catalogue.keys()];
}
