/**
 * Where samples come from. `--corpora DIR` holds, by these names (docs/threat/data-sheet.md says where each is had):
 * bare git repositories `javascript-malware-collection`, `pypi_malregistry`, `js-malicious-dataset`,
 * `malicious-npm-packages`, `cemetery`; `npm/node_modules`; `python/standard` and `python/debian`;
 * `python-source` with archives of sources.
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
        bytes: entry.bytes,
      };
    }
  }
}

/** Packages that were taken down from npm, 2019–2021: few, so that they are measured only. */
async function* npm(repository: string, source: string): AsyncGenerator<Sample> {
  const files = gitFiles(repository).filter((f) => f.size <= 16 * LARGEST);
  const of = (file: GitFile): string => file.path.split('/').slice(0, 2).join('@');
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
        package: source === 'cemetery' ? (file.path.split('/')[0] as string) : of(file),
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

/** Popular packages and what they depend on, as installed. Copies nested in packages are left out. */
async function* npmBenign(root: string): AsyncGenerator<Sample> {
  for (const [name, path] of packagesBelow(join(root, 'node_modules'))) {
    const files = filesBelow(path, (entry) => entry === 'node_modules' || entry === '.git');
    yield* readAll(files, path, { source: 'npm', package: name });
  }
}

async function* pythonBenign(root: string): AsyncGenerator<Sample> {
  for (const part of ['standard', 'debian']) {
    const folder = join(root, part);
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder)) {
      const path = join(folder, entry);
      const isFolder = statSync(path).isDirectory();
      if (!isFolder && !entry.endsWith('.py')) continue;
      const files = isFolder
        ? filesBelow(path, (name) => name === '__pycache__' || name === 'node_modules')
        : [path];
      const python = files.filter((file) => file.endsWith('.py'));
      yield* readAll(python, folder, { source: `python-${part}`, package: `${part}/${entry}` });
    }
  }
}

/**
 * `setup.py` of sources as they were released, from Debian's source packages: what it installs holds none, while nearly
 * all malware of PyPI has one, so that without them a model would learn to fear installation itself.
 */
async function* setupFiles(root: string): AsyncGenerator<Sample> {
  for (const name of readdirSync(root).sort()) {
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
        source: 'python-source',
        language: 'python',
        malicious: false,
        package: `source/${packed[1]}`,
        path: entry.path,
        date: 0,
        bytes: entry.bytes,
      };
    }
  }
}

const SOURCES: readonly (readonly [string, (path: string) => AsyncGenerator<Sample>])[] = [
  ['npm', npmBenign],
  ['python', pythonBenign],
  ['python-source', setupFiles],
  ['pypi_malregistry', pypi],
  ['js-malicious-dataset', exploitKits],
  ['malicious-npm-packages', (path) => npm(path, 'malicious-npm-packages')],
  ['cemetery', (path) => npm(path, 'cemetery')],
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
      yield* read(path);
    } else {
      tell(`${name} is not there: left out`);
    }
  }
}
