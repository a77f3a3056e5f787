/**
 * `filesystem` and the denied files of srt settings as the file system of a policy.
 */
import type { PolicyDocument } from '../document.ts';
import type { PathRule } from '../path.ts';
import { containsPath, isWithin, pathSet, touchesPath } from '../path-set.ts';
import type { PathSet } from '../policy.ts';
import { SYSTEM_DIRECTORIES } from '../system-directories.ts';
import { SRT_ALWAYS_DENIED } from './srt-always-denied.ts';
import type { SrtContext, SrtReport } from './srt-context.ts';
import { allowedPaths, deniedReads, deniedWrites, type NamedAt } from './srt-paths.ts';
import type { SrtSettings } from './srt-schema.ts';

export function srtFiles(
  { filesystem = {}, credentials = {} }: SrtSettings,
  context: SrtContext,
  report: SrtReport,
): NonNullable<PolicyDocument['filesystem']> {
  const { cwd } = context;
  if (cwd === '/')
    report(
      ['filesystem'],
      'the working directory is /',
      'run the command in a directory of its own',
    );
  const named = (key: 'denyRead' | 'allowRead' | 'allowWrite' | 'denyWrite'): NamedAt[] =>
    (filesystem[key] ?? []).map((path, i) => ({ path, at: ['filesystem', key, i] }));
  const files = (credentials.files ?? []).map(
    ({ path }, i): NamedAt => ({ path, at: ['credentials', 'files', i, 'path'] }),
  );
  const again = allowedPaths(named('allowRead'), context, report);
  const closed = deniedReads(named('denyRead'), context, report);
  const secret = deniedReads(files, context, report);
  // Named in both it may be read; a credential stays denied.
  const denied = [...closed.filter(({ path }) => !isIn(again, path)), ...secret];
  const shown = pathSet([
    { path: '/', include: true },
    ...rules(again, true),
    ...rules(denied, false),
  ]);
  refuseHiddenSystem(denied, shown, context, report);

  const writes = allowedPaths(named('allowWrite'), context, report);
  const beyond = pathSet(writes.map(({ path }) => ({ path, include: true })));
  const kept = deniedWrites(
    named('denyWrite'),
    (path) => touchesPath(beyond, path),
    context,
    report,
  );
  // Denied is denied, however much closer the allowed path is.
  const left = writes.filter(({ path }) => !kept.paths.some((one) => isWithin(path, one)));
  const shut = closed.filter(({ path }) => isIn(denied, path) || !isIn(left, path));
  const write = pathSet([
    ...rules(left, true),
    ...rules([...shut, ...secret], false),
    ...kept.paths.map((path) => ({ path, include: false })),
  ]);
  // What may be written below a denied directory shows there, and what is denied to be written in it does, too.
  const read = pathSet([
    { path: '/', include: true },
    ...rules([...again, ...left], true),
    ...rules(denied, false),
  ]);
  refuseHiddenWrites(left, denied, shown, context, report);
  const inWorkspace = touchesPath(write, cwd);
  const always = SRT_ALWAYS_DENIED.filter(
    (pattern) => filesystem.allowGitConfig !== true || pattern !== '**/.git/config',
  );
  return {
    read: entriesOf(read, cwd),
    write: withCarveOuts(entriesOf(write, cwd), entriesOf(read, cwd), write),
    scratch: ['/tmp', '/var/tmp'].filter((path) => !containsPath(write, path)),
    ...(inWorkspace
      ? {
          workspace: 'overlay',
          apply: 'auto',
          protect: [...new Set([...always, ...kept.protect])],
        }
      : {}),
  };
}

function rules(list: readonly NamedAt[], include: boolean): PathRule[] {
  return list.map(({ path }) => ({ path, include }));
}

function isIn(list: readonly NamedAt[], path: string): boolean {
  return list.some((one) => one.path === path);
}

/** As a policy writes them: what lies in the working directory is of the workspace. */
function entriesOf(set: PathSet, cwd: string): string[] {
  const entries = set.rules.map(({ path, include }) => {
    const shown =
      path === cwd && include
        ? '.'
        : path !== cwd && isWithin(path, cwd)
          ? `.${path.slice(cwd.length)}`
          : path;
    return `${include ? '' : '!'}${shown}`;
  });
  const isNamed = set.rules.some(({ path }) => path === cwd);
  return containsPath(set, cwd) && !isNamed ? [...entries, '.'] : entries;
}

/** A policy wants to hear twice that what may be written lies in what may not be read. */
function withCarveOuts(write: string[], read: readonly string[], set: PathSet): string[] {
  const again = read.filter(
    (entry) => entry.startsWith('!/') && !write.includes(entry) && touchesPath(set, entry.slice(1)),
  );
  return [...write, ...again];
}

/** Programs and their libraries are shown in every sandbox of this kind. */
function refuseHiddenSystem(
  denied: readonly NamedAt[],
  read: PathSet,
  { look }: SrtContext,
  report: SrtReport,
): void {
  for (const directory of SYSTEM_DIRECTORIES) {
    const isThere = look === undefined || look(directory) === directory;
    const by = denied.find(({ path }) => isWithin(directory, path));
    if (!isThere || by === undefined || containsPath(read, directory)) continue;
    report(
      by.at,
      `${directory} is shown in every sandbox of this kind, since programs lie there`,
      `add ${JSON.stringify(directory)} to allowRead, or name what of it is to be hidden`,
    );
  }
}

function refuseHiddenWrites(
  writes: readonly NamedAt[],
  denied: readonly NamedAt[],
  read: PathSet,
  { cwd }: SrtContext,
  report: SrtReport,
): void {
  for (const { path, at } of writes) {
    const by = denied.find(
      (one) => one.path !== path && isWithin(path, one.path) && isWithin(one.path, cwd),
    );
    if (by === undefined || by.path === cwd || containsPath(read, path)) continue;
    report(at, `${path} lies in ${by.path}, which may not be read`, 'name it in allowRead, too');
  }
}
