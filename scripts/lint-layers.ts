/**
 * Who may import whom, as layers.json says it. Fails the build on the first thing that DESIGN
 * forbids: an upward or sideways import, a backend that knows another, a clock in a pure layer,
 * a process started outside its two doors.
 *
 *   node scripts/lint-layers.ts [repository root]
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, resolve, sep } from 'node:path';
import { readSource, type Source, type Use } from './read-source.ts';

export interface Layers {
  /** The folder that holds the layers. */
  root: string;
  /** Each line may import the lines above it; names on one line do not import each other. */
  order: string[][];
  /** Same input, same bytes: no node:*, no clock, environment or randomness. */
  pure: string[];
  /** Layers that may import these packages and nothing else from outside. */
  onlyPackages: Record<string, string[]>;
  /** The only layers that may start a process. */
  startProcesses: string[];
  /** Layers whose sub-folders do not import each other. */
  foldersApart: string[];
  /** Layer `from` may import these files of layer `to` alone. */
  narrowDoors: { from: string; to: string; files: string[] }[];
  /** Files of the repository outside the root that may be imported. */
  mayLeaveRoot: string[];
  /** Files that may import a module whose name is computed, which this lint cannot follow. */
  computedImports: string[];
}

export interface Finding {
  file: string;
  line: number;
  message: string;
}

/** Each ends the promise "same input, same bytes", or reaches a name here that does. */
const IMPURE_GLOBALS = new Set(
  `process Date performance crypto fetch Buffer console navigator Intl Temporal require eval Function
  setTimeout setInterval setImmediate queueMicrotask clearTimeout clearInterval clearImmediate
  WebSocket EventSource XMLHttpRequest Worker BroadcastChannel MessageChannel
  WeakRef FinalizationRegistry SharedArrayBuffer Atomics
  localStorage sessionStorage caches Storage
  globalThis global self window __dirname __filename`.split(/\s+/),
);

const PROCESS_MODULES = new Set(['node:child_process', 'node:cluster']);

/** Reads layers.json and every source below its root. */
export function lintLayers(repository: string): { findings: Finding[]; files: number } {
  const layers = JSON.parse(readFileSync(join(repository, 'layers.json'), 'utf8')) as Layers;
  const packages = runtimePackages(repository);
  const root = join(repository, layers.root);
  const files = existsSync(root) ? sourcesBelow(root) : [];
  const findings = files.flatMap((path) => {
    const inRoot = slashes(relative(root, path));
    const file = `${layers.root}/${inRoot}`;
    return check(readSource(path), inRoot, layers, packages).map((found) => ({ file, ...found }));
  });
  return { findings, files: files.length };
}

type Complaint = Omit<Finding, 'file'>;

function check(source: Source, file: string, layers: Layers, packages: Set<string>): Complaint[] {
  const layer = layerOf(file);
  if (rank(layers, layer) < 0) {
    return [{ line: 1, message: `${layer} is not a layer of layers.json` }];
  }
  const pure = layers.pure.includes(layer);
  const complaints: Complaint[] = [...source.errors];
  for (const use of source.imports) {
    const message = checkImport(use, file, layers, packages);
    if (message) complaints.push({ line: use.line, message });
  }
  for (const use of pure ? source.identifiers : []) {
    if (IMPURE_GLOBALS.has(use.name)) {
      complaints.push({
        line: use.line,
        message: `${layer} is pure: no ${use.name}, and no local of that name`,
      });
    }
  }
  for (const use of pure ? source.impureForms : []) {
    complaints.push({ line: use.line, message: `${layer} is pure: no ${use.name}` });
  }
  return complaints;
}

function checkImport(
  { name }: Use,
  file: string,
  layers: Layers,
  packages: Set<string>,
): string | undefined {
  const layer = layerOf(file);
  if (name === '') {
    const excepted = layers.computedImports.includes(file);
    return excepted ? undefined : 'a computed import cannot be checked; name the module';
  }
  if (name.startsWith('.')) return checkRelative(name, file, layers);
  if (name.startsWith('/') || /^(file|data|https?):/.test(name)) {
    return `import ${name} by a relative path`;
  }
  if (name.startsWith('node:')) return checkNode(name, layer, layers);

  const bare = packageOf(name);
  const only = layers.onlyPackages[layer];
  if (only && !only.includes(bare)) return `${layer} imports ${only.join(', ')} alone, not ${bare}`;
  if (!packages.has(bare)) return `${bare} is not a runtime dependency of package.json`;
  return undefined;
}

function checkNode(name: string, layer: string, layers: Layers): string | undefined {
  if (layers.pure.includes(layer)) return `${layer} is pure: it may not import ${name}`;
  const only = layers.onlyPackages[layer];
  if (only) return `${layer} imports ${only.join(', ')} alone, not ${name}`;
  if (PROCESS_MODULES.has(name) && !layers.startProcesses.includes(layer)) {
    return `only ${layers.startProcesses.join(' and ')} start processes: no ${name} in ${layer}`;
  }
  return undefined;
}

function checkRelative(name: string, file: string, layers: Layers): string | undefined {
  const target = posix.join(posix.dirname(file), name);
  if (target.startsWith('../')) {
    const outside = posix.join(layers.root, target);
    return layers.mayLeaveRoot.includes(outside)
      ? undefined
      : `${name} lies outside ${layers.root}`;
  }
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === to) return checkFoldersApart(from, file, target, layers);

  const toRank = rank(layers, to);
  if (toRank < 0) return `${to} is not a layer of layers.json`;
  const distance = rank(layers, from) - toRank;
  if (distance === 0) return `${from} and ${to} stand on one line and may not import each other`;
  if (distance < 0) return `${from} stands above ${to} and may not import it`;

  const door = layers.narrowDoors.find((each) => each.from === from && each.to === to);
  if (door && !door.files.includes(posix.relative(to, target))) {
    return `${from} sees of ${to} only ${door.files.join(' and ')}`;
  }
  return undefined;
}

/** A folder sees itself and the files beside the folders; those files see no folder. */
function checkFoldersApart(
  layer: string,
  file: string,
  target: string,
  layers: Layers,
): string | undefined {
  if (!layers.foldersApart.includes(layer)) return undefined;
  const theirs = folderOf(target);
  const ours = folderOf(file);
  if (theirs === undefined || theirs === ours) return undefined;
  return ours === undefined
    ? `what all of ${layer} share may not import ${layer}/${theirs}: compose wires it`
    : `${layer}/${ours} may not import ${layer}/${theirs}`;
}

function rank(layers: Layers, layer: string): number {
  return layers.order.findIndex((line) => line.includes(layer));
}

/** `plan/seccomp/table.ts` and `compose.ts` belong to `plan` and `compose`. */
function layerOf(file: string): string {
  return (file.split('/')[0] ?? '').replace(/\.[cm]?ts$/, '');
}

function folderOf(file: string): string | undefined {
  const parts = file.split('/');
  return parts.length > 2 ? parts[1] : undefined;
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function runtimePackages(repository: string): Set<string> {
  const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  return new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }));
}

function sourcesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function slashes(path: string): string {
  return path.split(sep).join('/');
}

if (import.meta.main) {
  const { findings, files } = lintLayers(resolve(process.argv[2] ?? '.'));
  for (const { file, line, message } of findings) console.error(`${file}:${line}: ${message}`);
  console.log(`layers: ${files} files, ${findings.length} findings`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
