/**
 * Where samples come from. `--corpora DIR` holds, by these names (docs/threat/data-sheet.md says where each is had):
 * bare git repositories `javascript-malware-collection`, `pypi_malregistry`, `js-malicious-dataset`,
 * `malicious-npm-packages`, `cemetery`, `npm-zoo`, `worm`; `npm/node_modules`; `python/standard` and `python/debian`;
 * `python-source` with archives of sources; and, had later than these and held out as a whole, `npm-later/node_modules`,
 * `python-later/debian` and `python-source-later`.
 * A source that is not there is left out and named.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { archiveEntries, type Entry, type GitFile, gitContents, gitFiles } from './containers.ts';

export interface Sample {
  readonly source: string;
  readonly language: 'javascript' | 'typescript' | 'python';
  readonly malicious: boolean;
  /** Name and version where there are versions; the file itself where there are no packages. */
  readonly package: string;
  readonly path: string;
  /** YYYYMMDD; 0: not known. */
  readonly date: number;
  readonly heldOutOnly?: boolean;
  /** Those who wrote the rules may have read it. */
  readonly seenByAuthors?: boolean;
  readonly bytes: Buffer;
}

/** Larger files are not looked at: they are bundles, data and single-line dumps. */
export const LARGEST = 1_100_000;
/** Files taken of a benign package, those with the smallest digest of their path. */
const FILES_OF_PACKAGE = 40;

const JAVASCRIPT = /\.(js|cjs|mjs)$/;
const TYPESCRIPT = /(?<!\.d)\.(ts|mts|cts)$/;

function languageOf(path: string): Sample['language'] | undefined {
  if (JAVASCRIPT.test(path)) return 'javascript';
  if (TYPESCRIPT.test(path)) return 'typescript';
  return path.endsWith('.py') ? 'python' : undefined;
}

const plausible = (date: number): number => (date >= 20100101 && date <= 20261231 ? date : 0);

/** Rules were written with files in view whose git blob has a SHA-1 that begins with 0 to 7. */
const wasSeen = ({ object }: GitFile): boolean => (object[0] as string) < '8';

/** Droppers for Windows Script Host, mailed in 2015–2017; the day is in the path. */
async function* collection(repository: string): AsyncGenerator<Sample> {
  const files = gitFiles(repository).filter((f) => f.path.endsWith('.js') && f.size <= LARGEST);
  for await (const [file, bytes] of gitContents(repository, files)) {
    yield {
      source: 'javascript-malware-collection',
      language: 'javascript',
      malicious: true,
      package: file.path,
      path: file.path,
      date: plausible(Number(/\/(\d{8})\//.exec(file.path)?.[1] ?? 0)),
      seenByAuthors: wasSeen(file),
      bytes,
    };
  }
}

/** Exploit kits and injected scripts, 2015–2017. A day, where a path names one. */
async function* exploitKits(repository: string): AsyncGenerator<Sample> {
  const files = gitFiles(repository).filter(
    (f) => f.path.endsWith('.js') && f.size <= LARGEST && !f.path.includes('deobfuscated'),
  );
  for await (const [file, bytes] of gitContents(repository, files)) {
    const day = /(20[12]\d)-?(0\d|1[0-2])-?([0-3]\d)(?!\d)/.exec(file.path);
    yield {
      source: 'js-malicious-dataset',
      language: 'javascript',
      malicious: true,
      package: file.path,
      path: file.path,
      date: plausible(Number(day === null ? 0 : `${day[1]}${day[2]}${day[3]}`)),
      seenByAuthors: wasSeen(file),
      bytes,
    };
  }
}

const inPackage = (entry: Entry, language: 'python' | 'any'): boolean => {
  const found = languageOf(entry.path);
  return (
    found !== undefined &&
    (language === 'any' || found === 'python') &&
    entry.bytes.length <= LARGEST &&
    !entry.path.includes('node_modules/')
  );
};

/** Packages that were taken down from PyPI; the day is that of the newest file inside. */
async function* pypi(repository: string): AsyncGenerator<Sample> {
  const files = gitFiles(repository).filter((f) => /\.(tar\.gz|zip|whl)$/.test(f.path));
  for await (const [file, bytes] of gitContents(repository, files)) {
    const entries = archiveEntries(file.path, bytes);
    const date = Math.max(0, ...entries.map((entry) => plausible(entry.date)));
    for (const entry of entries) {
      if (!inPackage(entry, 'python')) continue;
      yield {
        source: 'pypi_malregistry',
        language: 'python',
        malicious: true,
        package: file.path.split('/').slice(0, 2).join('@'),
        path: entry.path,
        date,
        seenByAuthors: wasSeen(file),
        bytes: entry.bytes,
      };
    }
  }
}

/** Which package a path is of, in repositories of malware of npm. */
const NPM_PACKAGES: Readonly<Record<string, (path: string) => string>> = {
  'malicious-npm-packages': (path) => path.split('/').slice(0, 2).join('@'),
  cemetery: (path) => path.split('/')[0] as string,
  'npm-zoo': (path) => path.split('/')[1] as string,
  worm: () => 'worm',
};

/** Packages that were taken down from npm, 2018–2026: few, so that they are measured only. */
async function* npm(repository: string, source: string): AsyncGenerator<Sample> {
  const files = gitFiles(repository).filter(
    (f) => f.size <= 16 * LARGEST && (source !== 'npm-zoo' || f.path.startsWith('packages/')),
  );
  for await (const [file, bytes] of gitContents(repository, files)) {
    const entries = file.path.endsWith('.tgz')
      ? archiveEntries(file.path, bytes)
      : [{ path: file.path, bytes, date: 0 }];
    for (const entry of entries) {
      if (!inPackage(entry, 'any')) continue;
      yield {
        source,
        language: languageOf(entry.path) as Sample['language'],
        malicious: true,
        package: (NPM_PACKAGES[source] as (path: string) => string)(file.path),
        path: entry.path,
        date: 0,
        heldOutOnly: true,
        bytes: entry.bytes,
      };
    }
  }
}

function filesBelow(root: string, prune: (name: string) => boolean): string[] {
  const found: string[] = [];
  const visit = (folder: string, depth: number): void => {
    if (depth > 12) return;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (prune(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path, depth + 1);
      else if (entry.isFile() && languageOf(entry.name) !== undefined) found.push(path);
    }
  };
  visit(root, 0);
  return found;
}

function spreadOver(paths: readonly string[]): string[] {
  const step = Math.max(1, paths.length / FILES_OF_PACKAGE);
  const sorted = paths.toSorted();
  const taken: string[] = [];
  for (let at = 0; at < sorted.length; at += step) taken.push(sorted[Math.floor(at)] as string);
  return taken;
}

function* readAll(
  paths: readonly string[],
  root: string,
  rest: Pick<Sample, 'source' | 'package'>,
): Generator<Sample> {
  for (const path of spreadOver(paths)) {
    if (statSync(path).size > LARGEST) continue;
    yield {
      ...rest,
      language: languageOf(path) as Sample['language'],
      malicious: false,
      path: path.slice(root.length + 1),
      date: 0,
      bytes: readFileSync(path),
    };
  }
}

function* packagesBelow(folder: string): Generator<readonly [string, string]> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.name.startsWith('@')) {
      for (const inner of readdirSync(path, { withFileTypes: true })) {
        if (inner.isDirectory()) yield [`${entry.name}/${inner.name}`, join(path, inner.name)];
      }
    } else {
      yield [entry.name, path];
    }
  }
}

/**
 * Popular packages and what they depend on, as installed. Copies nested in packages are left out.
 *
 * @param earlier packages of that name in the folder are left out
 */
async function* npmBenign(root: string, earlier?: string): AsyncGenerator<Sample> {
  const known = new Set(earlier === undefined ? [] : packageNames(earlier));
  const source = earlier === undefined ? 'npm' : 'npm-later';
  for (const [name, path] of packagesBelow(join(root, 'node_modules'))) {
    if (known.has(name)) continue;
    const files = filesBelow(path, (entry) => entry === 'node_modules' || entry === '.git');
    yield* readAll(files, path, { source, package: name, ...later(earlier) });
  }
}

/** What was had later than `earlier` is held out as a whole. */
const later = (earlier: string | undefined): Pick<Sample, 'heldOutOnly'> =>
  earlier === undefined ? {} : { heldOutOnly: true };

/** Of all packages below a folder, those nested in packages, too. */
function* packageNames(root: string): Generator<string> {
  const folder = join(root, 'node_modules');
  if (!existsSync(folder)) return;
  for (const [name, path] of packagesBelow(folder)) {
    yield name;
    yield* packageNames(path);
  }
}

async function* pythonBenign(root: string, earlier?: string): AsyncGenerator<Sample> {
  for (const part of ['standard', 'debian']) {
    const folder = join(root, part);
    if (!existsSync(folder)) continue;
    const known = new Set(earlier === undefined ? [] : readdirSync(join(earlier, part)));
    for (const entry of readdirSync(folder)) {
      if (known.has(entry)) continue;
      const path = join(folder, entry);
      const isFolder = statSync(path).isDirectory();
      if (!isFolder && !entry.endsWith('.py')) continue;
      const files = isFolder
        ? filesBelow(path, (name) => name === '__pycache__' || name === 'node_modules')
        : [path];
      const python = files.filter((file) => file.endsWith('.py'));
      yield* readAll(python, folder, {
        source: earlier === undefined ? `python-${part}` : 'python-later',
        package: `${part}/${entry}`,
        ...later(earlier),
      });
    }
  }
}

/**
 * `setup.py` of sources as they were released, from Debian's source packages: what it installs holds none, while nearly
 * all malware of PyPI has one, so that without them a model would learn to fear installation itself.
 */
async function* setupFiles(root: string, earlier?: string): AsyncGenerator<Sample> {
  const nameOf = (archive: string): string => archive.split('_')[0] as string;
  const known = new Set(earlier === undefined ? [] : readdirSync(earlier).map(nameOf));
  for (const name of readdirSync(root).sort()) {
    if (known.has(nameOf(name))) continue;
    const packed = /^(.*)_[^_]*\.orig\.tar\.(gz|xz)$/.exec(name);
    if (packed === null) continue;
    const path = join(root, name);
    const bytes =
      packed[2] === 'xz'
        ? gzipSync(spawnSync('xz', ['-dc', path], { maxBuffer: 1 << 29 }).stdout, { level: 1 })
        : readFileSync(path);
    for (const entry of archiveEntries('source.tar.gz', bytes)) {
      if (!/^[^/]+\/setup\.py$/.test(entry.path) || entry.bytes.length > LARGEST) continue;
      yield {
        source: earlier === undefined ? 'python-source' : 'python-source-later',
        language: 'python',
        malicious: false,
        ...later(earlier),
        package: `source/${packed[1]}`,
        path: entry.path,
        date: 0,
        bytes: entry.bytes,
      };
    }
  }
}

/** In the order in which they are read: of equal benign files the first stays. */
const SOURCES: readonly (readonly [
  name: string,
  read: (path: string, corpora: string) => AsyncGenerator<Sample>,
])[] = [
  ['npm', (path) => npmBenign(path)],
  ['python', (path) => pythonBenign(path)],
  ['python-source', (path) => setupFiles(path)],
  ['npm-later', (path, corpora) => npmBenign(path, join(corpora, 'npm'))],
  ['python-later', (path, corpora) => pythonBenign(path, join(corpora, 'python'))],
  ['python-source-later', (path, corpora) => setupFiles(path, join(corpora, 'python-source'))],
  ['pypi_malregistry', pypi],
  ['js-malicious-dataset', exploitKits],
  ['malicious-npm-packages', (path) => npm(path, 'malicious-npm-packages')],
  ['cemetery', (path) => npm(path, 'cemetery')],
  ['npm-zoo', (path) => npm(path, 'npm-zoo')],
  ['worm', (path) => npm(path, 'worm')],
  ['javascript-malware-collection', collection],
];

export async function* samples(
  corpora: string,
  tell: (text: string) => void,
): AsyncGenerator<Sample> {
  for (const [name, read] of SOURCES) {
    const path = join(corpora, name);
    if (existsSync(path)) {
      tell(`reading ${name}`);
      yield* read(path, corpora);
    } else {
      tell(`${name} is not there: left out`);
    }
  }
}
