/**
 * The lists of paths of srt settings as the path sets of a policy.
 */
import { isWithin } from '../path-set.ts';
import type { SrtContext, SrtReport } from './srt-context.ts';
import { globBase, isSrtGlob, protectPattern } from './srt-glob.ts';

/** Where a path was named. */
export type At = readonly (string | number)[];

export interface NamedAt {
  readonly path: string;
  readonly at: At;
}

/** Private or made up in every sandbox: the host's own never shows there. */
const MADE_UP = ['/proc', '/sys', '/dev'] as const;

function isMadeUp(path: string): boolean {
  return MADE_UP.some((top) => isWithin(path, top));
}

/** Absolute and normal, patterns included; `~` and relative paths as srt reads them. */
function absolutePath(text: string, { home, cwd }: Pick<SrtContext, 'home' | 'cwd'>): string {
  const full =
    text === '~' || text.startsWith('~/')
      ? `${home}/${text.slice(1)}`
      : text.startsWith('/')
        ? text
        : `${cwd}/${text}`;
  const parts: string[] = [];
  for (const part of full.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Paths that are denied: where they lead, what patterns stand for now; what is not there is left out. */
export function deniedReads(
  list: readonly NamedAt[],
  context: SrtContext,
  report: SrtReport,
): NamedAt[] {
  return list.flatMap(({ path: text, at }) => {
    const path = withoutGlobEnd(absolutePath(text, context));
    if (!isSrtGlob(path)) return existing([path], at, context);
    if (context.expand === undefined) {
      report(
        at,
        `${JSON.stringify(text)} is a pattern, and nobody here looks what it stands for`,
        'name the paths',
      );
      return [];
    }
    return existing(context.expand(path), at, context);
  });
}

/** A link is denied as itself and as what it leads to. */
function existing(paths: readonly string[], at: At, { look }: SrtContext): NamedAt[] {
  return paths.flatMap((path) => {
    const real = look === undefined ? path : look(path);
    return real === undefined || isMadeUp(real) ? [] : [{ path: real, at }];
  });
}

/** Paths that something is allowed for: no patterns, and no links, since what they lead to was not named. */
export function allowedPaths(
  list: readonly NamedAt[],
  context: SrtContext,
  report: SrtReport,
): NamedAt[] {
  return list.flatMap(({ path: text, at }) => {
    const path = withoutGlobEnd(absolutePath(text, context));
    if (isSrtGlob(path)) {
      report(
        at,
        `${JSON.stringify(text)} is a pattern; what is allowed is named by its path`,
        `name a directory, such as ${JSON.stringify(globBase(path))}`,
      );
      return [];
    }
    if (isMadeUp(path)) return [];
    const real = context.look === undefined ? path : context.look(path);
    if (real === undefined) return [];
    if (real === path) return [{ path, at }];
    report(at, `${path} is a link, or lies behind one, and leads to ${real}`, `name ${real}`);
    return [];
  });
}

export interface DeniedWrites {
  /** To be carved out: they are there. */
  readonly paths: readonly string[];
  /** Relative to the workspace: also what is not there yet. */
  readonly protect: readonly string[];
}

/** @param writable what may be written without them */
export function deniedWrites(
  list: readonly NamedAt[],
  writable: (path: string) => boolean,
  context: SrtContext,
  report: SrtReport,
): DeniedWrites {
  const { cwd, look } = context;
  const paths: string[] = [];
  const protect: string[] = [];
  for (const { path: text, at } of list) {
    const path = withoutGlobEnd(absolutePath(text, context));
    const inside =
      isWithin(path, cwd) && path !== cwd
        ? path.slice(cwd === '/' ? 1 : cwd.length + 1)
        : undefined;
    if (isSrtGlob(path)) {
      const pattern = inside === undefined ? undefined : protectPattern(inside);
      if (pattern !== undefined) protect.push(pattern);
      else if (inside !== undefined || writable(globBase(path))) {
        report(
          at,
          `${JSON.stringify(text)} is a pattern that no protection here can hold`,
          'below the working directory * and **/ hold; elsewhere name paths',
        );
      }
      continue;
    }
    const real = look === undefined ? path : look(path);
    if (real !== undefined) paths.push(real);
    const isPattern = inside !== undefined && !/^[!~$]/.test(inside);
    if (isPattern) protect.push(inside);
    else if (real === undefined && writable(path)) {
      report(
        at,
        `${path} does not exist, and nothing here stops its being made`,
        'make it first, or take the directory around it out of allowWrite',
      );
    }
  }
  return { paths, protect };
}

/** `src/**` is everything below src, as `src` is. */
function withoutGlobEnd(path: string): string {
  return path.replace(/(\/\*\*)+$/, '') || '/';
}
