/**
 * The three path sets of a policy, from all documents, with what contradicts itself refused.
 */
import { isCaissonError } from '../core/error.ts';
import { levels } from './levels.ts';
import { type PathRule, parsePathRule, WORKSPACE } from './path.ts';
import {
  containsPath,
  EMPTY_PATHS,
  isWithin,
  pathSet,
  touchesPath,
  unionPaths,
} from './path-set.ts';
import type { Level, PathSet, Policy } from './policy.ts';
import { formatPath } from './problems.ts';
import type { Sheet } from './sheet.ts';
import { SYSTEM_DIRECTORIES } from './system-directories.ts';

export interface NormalizeContext {
  /** What `~` stands for, absolute. Without it `~` is an error. */
  readonly home?: string | undefined;
}

export function resolvePaths(
  sheet: Sheet,
  level: Level,
  context: NormalizeContext,
): { read: PathSet; write: PathSet; scratch: PathSet } {
  const preset = levels[level];
  const rules = (key: 'read' | 'write' | 'scratch'): PathRule[] => {
    const entries = sheet.entries('filesystem', key);
    if (!entries)
      return preset.document.filesystem[key].map((text) => parsePathRule(text, undefined));
    return entries.flatMap(
      ({ value, layer, path }) =>
        sheet.attempt(layer, path, () => parsePathRule(value, context.home)) ?? [],
    );
  };
  const [readRules, writeRules, scratchRules] = [rules('read'), rules('write'), rules('scratch')];
  const write = pathSet(writeRules);
  const scratch = pathSet(scratchRules);
  for (const { path } of scratch.rules) {
    if (!path.startsWith('/') || path === '/') {
      sheet.report(
        sheet.lastLayer(['filesystem', 'scratch']),
        ['filesystem', 'scratch'],
        `${path} cannot be scratch space`,
        'scratch paths are absolute and below the root, such as /tmp',
      );
    }
  }
  const apart = isHermetic(sheet) || isStaged(sheet);
  checkReadCarveOuts(sheet, context, preset.view, apart ? EMPTY_PATHS : write);
  checkWorkspaceCarveOuts(sheet, context, 'read', [...readRules, ...writeRules]);
  checkWorkspaceCarveOuts(sheet, context, 'write', writeRules);
  if (isHermetic(sheet)) {
    checkHermetic(sheet, context);
    return { read: withSystem(readRules, preset.view), write, scratch };
  }
  const read = withSystem(readRules, preset.view);
  if (!isStaged(sheet)) return { read: unionPaths(read, write), write, scratch };
  // What is written outside the workspace is the host's own, and read like anything that may be written.
  const outside = write.rules.filter(({ path }) => !isWithin(path, WORKSPACE));
  return { read: unionPaths(read, { rules: outside }), write, scratch };
}

/** A carve-out of a system directory needs that directory named, or it would carve nothing. */
function withSystem(rules: readonly PathRule[], view: Policy['view']): PathSet {
  if (view !== 'system') return pathSet(rules);
  const named = SYSTEM_DIRECTORIES.filter((directory) =>
    rules.some((rule) => !rule.include && isWithin(rule.path, directory)),
  ).map((path) => ({ path, include: true }));
  return pathSet([...named, ...rules]);
}

function checkReadCarveOuts(
  sheet: Sheet,
  context: NormalizeContext,
  view: Policy['view'],
  write: PathSet,
): void {
  const carvedOut = (sheet.entries('filesystem', 'write') ?? []).map(({ value }) => value);
  for (const { value, layer, path } of sheet.entries('filesystem', 'read') ?? []) {
    if (!value.startsWith('!')) continue;
    const rule = parseQuietly(value, context);
    // Carved out of both: what is named again below it is meant.
    const isMeant = rule && carvedOut.includes(value) && !containsPath(write, rule.path);
    if (rule && view === 'system' && SYSTEM_DIRECTORIES.some((one) => isWithin(one, rule.path))) {
      sheet.report(
        layer,
        path,
        `${rule.path} is shown whole at this level; a part of it can be carved out, it as a whole cannot`,
        'use the level paranoid, which shows named paths alone',
      );
    }
    if (rule && !isMeant && touchesPath(write, rule.path)) {
      sheet.report(
        layer,
        path,
        `${value.slice(1)} is carved out of read but may be written, which implies reading`,
        `add ${JSON.stringify(value)} to filesystem.write, too`,
      );
    }
  }
}

/**
 * The workspace may lie below a directory that is named absolutely: a part of it that is carved out by its relative name
 * would show there.
 */
function checkWorkspaceCarveOuts(
  sheet: Sheet,
  context: NormalizeContext,
  key: 'read' | 'write',
  rules: readonly PathRule[],
): void {
  const has = (path: string): boolean =>
    rules.some(
      (rule) => rule.include && isWithin(rule.path, WORKSPACE) && isWithin(path, rule.path),
    );
  for (const { value, layer, path } of sheet.entries('filesystem', key) ?? []) {
    const rule = value.startsWith('!') ? parseQuietly(value, context) : undefined;
    if (rule === undefined || !isWithin(rule.path, WORKSPACE) || has(rule.path)) continue;
    sheet.report(
      layer,
      path,
      `${value.slice(1)} is carved out of the workspace, of which filesystem.${key} names nothing around it`,
      `name what it is carved out of, such as ".", or carve it out by its absolute path`,
    );
  }
}

/** For a second look at what has been reported already. */
function parseQuietly(text: string, context: NormalizeContext): PathRule | undefined {
  try {
    return parsePathRule(text, context.home);
  } catch (error) {
    if (isCaissonError(error)) return undefined;
    throw error;
  }
}

export function isHermetic(sheet: Sheet): boolean {
  return sheet.last((document) => document.hermetic) ?? false;
}

/** In a staged workspace what is written need not be there, let alone be read. */
function isStaged(sheet: Sheet): boolean {
  return sheet.last((document) => document.filesystem?.workspace) === 'staged';
}

/** In a hermetic policy an input that is also an output would make the result depend on itself. */
function checkHermetic(sheet: Sheet, context: NormalizeContext): void {
  const parsed = (key: string) =>
    (sheet.entries('filesystem', key) ?? []).flatMap((entry) => {
      const rule = parseQuietly(entry.value, context);
      return rule?.include ? [{ entry, rule }] : [];
    });
  const read = pathSet(parsed('read').map(({ rule }) => rule));
  for (const output of parsed('write')) {
    const input = parsed('read').find(
      ({ rule }) => isWithin(rule.path, output.rule.path) || isWithin(output.rule.path, rule.path),
    );
    if (!input || !touchesPath(read, input.rule.path)) continue;
    const place = input.entry.layer.locate?.(input.entry.path, 'value');
    const where = place ? `line ${place.line}` : formatPath(input.entry.path);
    sheet.report(
      output.entry.layer,
      output.entry.path,
      `${output.entry.value} is an output, and ${input.entry.value} (${where}) is an input of this hermetic policy`,
      'keep inputs and outputs in directories of their own',
    );
  }
}
