/**
 * Which paths a policy must name for what a run used. Pure: what is there now is told by the context.
 *
 * In the workspace files stand one by one, so that a build that needs another file fails and says its name. Outside, and
 * where there are more than a policy may list, the directories that give away least stand for what is in them.
 */
import { pathFault, WORKSPACE } from '../policy/path.ts';
import { isWithin } from '../policy/path-set.ts';
import { SYSTEM_DIRECTORIES } from '../policy/system-directories.ts';
import { type FoldedPath, foldPaths } from './fold-paths.ts';
import type { Reasoned } from './learned-policy.ts';
import type { Observations, PathUse } from './observations.ts';
import { secretAt } from './secret-paths.ts';

export interface PathContext {
  /** Absolute, without links. */
  readonly workspace: string;
  readonly home: string | undefined;
  /** What lies at a path now, the run over. */
  readonly kindNow: (path: string) => PathUse['before'];
  /** How many files lie at or below a directory, as far as was counted. */
  readonly count: (directory: string) => number;
  /** Paths below /etc that every sandbox has, with what is below them. */
  readonly etc: readonly string[];
}

export interface LearnedPaths {
  readonly read: readonly Reasoned[];
  readonly write: readonly Reasoned[];
  readonly devices: readonly string[];
  readonly sys: boolean;
  /** Whether anything of the workspace is named. */
  readonly workspace: boolean;
  /** Whether anything of the home is read. */
  readonly usesHome: boolean;
  readonly notes: readonly string[];
}

/** Under what a policy may list (document.ts), so that a person can add some. */
const READ_MAX = 240;
const OUTSIDE_MAX = 64;
const WRITE_MAX = 240;
/** So many files of one directory outside the workspace are a library: the directory is named. */
export const FOLD_FROM = 8;

const SCRATCH = ['/tmp', '/var/tmp', '/dev/shm', '/run/lock'];
const DEVICES =
  /^\/dev(\/(null|zero|full|random|urandom|tty|ptmx|fd|std(in|out|err)|pts(\/.*)?|shm(\/.*)?))?$/;

export function learnPaths(seen: Observations, context: PathContext): LearnedPaths {
  const { workspace, home } = context;
  const uses = [...seen.paths.values()];
  const inside = uses.filter(({ path }) => isWithin(path, workspace));
  const outside = uses.filter(({ path }) => !isWithin(path, workspace));
  const notes: string[] = [];

  const insideRead = foldInside(inside.filter(isInput), READ_MAX - OUTSIDE_MAX, context, notes);
  const insideWrite = foldInside(outputs(inside, context), WRITE_MAX - OUTSIDE_MAX, context, notes);
  const readable = outside.filter((use) => isInput(use) && !isShown(use.path, context));
  const outsideRead = foldPaths(
    readable.map(({ path }) => path),
    {
      limit: OUTSIDE_MAX,
      from: FOLD_FROM,
      mayFold: (path) => mayFold(path, context),
      count: context.count,
    },
  );
  const outsideWrite = placesWritten(outside, context, notes);
  noteSockets(seen, context, notes);
  noteSecrets([...readable, ...inside.filter(isInput)], notes);
  const usable = (each: Reasoned): boolean => {
    const fault = pathFault(each.text);
    if (fault !== undefined)
      notes.push(`${JSON.stringify(each.text)} is left out: ${fault.message}`);
    return fault === undefined;
  };
  const read = [
    ...insideRead.map((each) => entry(each, seen, context, readReason)),
    ...outsideRead.map((each) => entry(each, seen, context, readReason)),
  ].filter(usable);
  const write = [
    ...insideWrite.map((each) => entry(each, seen, context, writeReason)),
    ...outsideWrite,
  ].filter(usable);
  return {
    read,
    write,
    devices: uses
      .filter(({ path, before }) => before === 's' && /^\/dev\//.test(path) && !DEVICES.test(path))
      .map(({ path }) => path)
      .sort(),
    sys: uses.some(
      ({ path, before, read: was }) => was && before === 'f' && isWithin(path, '/sys'),
    ),
    workspace: [...read, ...write].some(({ text }) => !text.startsWith('/')),
    usesHome: home !== undefined && outsideRead.some(({ path }) => isWithin(path, home)),
    notes,
  };
}

/** Read, executed or looked at as it was before the run. Directories alone show nothing: what is named in them does. */
function isInput(use: PathUse): boolean {
  if (use.before === '-') return false;
  if (use.read || use.executed) return true;
  return use.looked && (use.before === 'f' || use.before === 'l') && !use.written;
}

/** What is different afterwards. A directory that the run made stands for what is in it. */
function outputs(uses: readonly PathUse[], { kindNow }: PathContext): PathUse[] {
  return uses.filter((use) => {
    if (!use.written) return false;
    const now = kindNow(use.path);
    if (now === '-') return use.deleted && use.before !== '-';
    return use.created || (use.before !== 'd' && now !== 's');
  });
}

function foldInside(
  uses: readonly PathUse[],
  limit: number,
  { workspace, count }: PathContext,
  notes: string[],
): FoldedPath[] {
  const paths = uses.map(({ path }) => path);
  const mayFold = (path: string): boolean => isWithin(path, workspace) && path !== workspace;
  const folded = foldPaths(paths, { limit, mayFold, count });
  const directories = folded.filter(({ members }) => members.length > 1);
  if (folded.length > limit) {
    notes.push(
      `${paths.length} files of the workspace are more than a policy lists: it is named whole`,
    );
    return [{ path: workspace, members: paths }];
  }
  if (paths.length > limit) {
    const shown = directories.slice(0, 6).map(({ path }) => path.slice(workspace.length + 1));
    notes.push(
      `${paths.length} files are more than a policy lists: some directories stand for theirs (${shown.join(', ')})`,
    );
  }
  return folded;
}

/** System directories, made-up trees, scratch: there in every sandbox. */
function isShown(path: string, { etc, workspace }: PathContext): boolean {
  if (path === '/' || isWithin(workspace, path)) return true;
  return [...SYSTEM_DIRECTORIES, ...etc, '/proc', '/sys', '/dev'].some((top) =>
    isWithin(path, top),
  );
}

/** Never a directory that holds more than one thing's files: the root, those right below it, homes, what holds the workspace. */
function mayFold(path: string, { home, workspace }: PathContext): boolean {
  if (path.split('/').length <= 2 || isWithin(workspace, path)) return false;
  if (home !== undefined && isWithin(home, path)) return false;
  return secretAt(path) === undefined && !/^\/(home|var|etc)\/[^/]+$/.test(path);
}

function placesWritten(
  uses: readonly PathUse[],
  context: PathContext,
  notes: string[],
): Reasoned[] {
  const { kindNow } = context;
  const places = new Map<string, string[]>();
  for (const use of outputs(uses, context)) {
    const { path } = use;
    if (['/proc', '/sys', '/dev'].some((top) => isWithin(path, top))) continue;
    if (SCRATCH.some((top) => isWithin(path, top))) continue;
    const inPlace = !use.created && !use.deleted;
    const place = inPlace || kindNow(path) === 'd' ? path : path.slice(0, path.lastIndexOf('/'));
    if (!inPlace && !mayFold(place, context)) {
      notes.push(`it changes ${path}, and ${place || '/'} is too much to open for it; not allowed`);
      continue;
    }
    if (SYSTEM_DIRECTORIES.some((top) => isWithin(path, top))) {
      notes.push(`it changes ${path}, which is part of the system`);
    }
    places.set(place, [...(places.get(place) ?? []), path]);
  }
  const mayAlways = (path: string): boolean => mayFold(path, context);
  return foldPaths(places.keys(), {
    limit: OUTSIDE_MAX,
    mayFold: mayAlways,
    count: context.count,
  }).map(({ path, members }) => {
    const written = members.flatMap((each) => places.get(each) ?? []);
    return { text: path, reason: `written: ${some(written.map((each) => each))}` };
  });
}

function noteSockets({ sockets }: Observations, { kindNow }: PathContext, notes: string[]): void {
  for (const name of sockets) {
    if (name.startsWith('@'))
      notes.push(`it connected to the abstract socket ${name}; not allowed`);
    else if (kindNow(name) === 's') {
      notes.push(`it connected to ${name}, a service of this host; not allowed`);
    }
  }
}

function noteSecrets(uses: readonly PathUse[], notes: string[]): void {
  for (const { path } of uses) {
    const what = secretAt(path);
    if (what !== undefined) notes.push(`CAREFUL: it reads ${path} (${what})`);
  }
}

function entry(
  { path, members }: FoldedPath,
  seen: Observations,
  { workspace }: PathContext,
  reason: (uses: readonly PathUse[]) => string,
): Reasoned {
  const uses = members.flatMap((each) => seen.paths.get(each) ?? []);
  const careful = uses.map((use) => secretAt(use.path)).find((what) => what !== undefined);
  const many = members.length > 1 || members[0] !== path;
  const text = [
    ...(careful === undefined ? [] : [`CAREFUL: ${careful};`]),
    reason(uses),
    ...(many ? [`(${members.length} paths, of them ${some(members.map(baseOf))})`] : []),
  ].join(' ');
  return { text: textOf(path, workspace), reason: text };
}

function textOf(path: string, workspace: string): string {
  if (path === workspace) return '.';
  if (!isWithin(path, workspace)) return path;
  const inner = path.slice(workspace.length + 1);
  return /^[!~$]/.test(inner) ? `./${inner}` : inner;
}

function readReason(uses: readonly PathUse[]): string {
  if (uses.some(({ executed }) => executed)) return 'executed';
  if (uses.some(({ read }) => read)) return 'read';
  return uses.some(({ before }) => before === 'l') ? 'a link on the way' : 'looked at';
}

function writeReason(uses: readonly PathUse[]): string {
  if (uses.some(({ created }) => created)) return 'made';
  return uses.some(({ deleted }) => deleted) ? 'removed' : 'changed';
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} …` : shown;
}

/** The name that a learned entry has in a policy's sets. */
export function asRule(text: string): string {
  if (text === '.') return WORKSPACE;
  return text.startsWith('/') ? text : `${WORKSPACE}/${text.replace(/^\.\//, '')}`;
}
