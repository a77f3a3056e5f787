/**
 * The policy that a command line asks for: a file, a profile or a level, with the flags on top.
 *
 * Flags are one more document, extending what they build on: one set of rules for both.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { levels } from '../policy/levels.ts';
import { normalize } from '../policy/normalize.ts';
import type { ResolvedPolicy } from '../policy/parse.ts';
import type { Level, Policy } from '../policy/policy.ts';
import { isProfileName, type ProfileName, profiles } from '../policy/profiles.ts';
import type { FlagValues } from './command.ts';
import type { PolicyFlags } from './flags.ts';
import type { SrtRequest } from './srt-settings.ts';

/** Policies are small (parse.ts refuses above 256 KiB); a device or a huge file is never read whole. */
const READ_MAX = 1024 * 1024;

export type PolicyFlagValues = FlagValues<PolicyFlags>;

export interface PolicyRequest {
  /** What the flags say, beyond file and profile. */
  readonly document: PolicyDocument;
  readonly profile?: ProfileName;
  /** As it was typed. */
  readonly file?: string;
  /** Settings of srt, instead of a file or profile. */
  readonly srt?: SrtRequest;
}

/** @param positional stands for `--policy` where a command takes it as a word */
export function requestOf(
  flags: PolicyFlagValues & { readonly ask?: boolean },
  positional?: string,
): PolicyRequest {
  if (positional !== undefined && flags.policy !== undefined) {
    throw invalid('the policy is named twice', `leave out --policy ${flags.policy}`);
  }
  const file = positional ?? flags.policy;
  const { profile } = flags;
  const srt = flags['srt-settings'];
  if (srt !== undefined) {
    checkAlone(flags, file);
    const cwd = workspaceOf(flags) ?? '/';
    return {
      document: documentOf(flags, false),
      srt: { file: srt, cwd, asks: flags.ask === true },
    };
  }
  return {
    document: documentOf(flags, file === undefined && profile === undefined),
    ...(file === undefined ? {} : { file }),
    ...(profile !== undefined && isProfileName(profile) ? { profile } : {}),
  };
}

/** The settings say what a policy, a profile, a level and a workspace say. */
function checkAlone(flags: PolicyFlagValues, file: string | undefined): void {
  const beside =
    file !== undefined
      ? 'a policy'
      : flags.profile !== undefined
        ? '--profile'
        : flags.level !== undefined
          ? '--level'
          : flags.workspace === 'none'
            ? '--workspace none'
            : undefined;
  if (beside === undefined) return;
  throw invalid(`--srt-settings and ${beside} cannot stand side by side`, `leave out one of them`);
}

/**
 * Loads zod and yaml only where a file is to be read.
 *
 * @param noteFile told of every file that the policy was made from
 * @throws CaissonError `POLICY_NOT_FOUND`, `POLICY_INVALID`, `POLICY_TOO_LARGE`
 */
export async function policyOf(
  { document, profile, file, srt }: PolicyRequest,
  noteFile: (path: string, text: Uint8Array) => void = () => {},
): Promise<Policy> {
  const home = homedir();
  if (srt !== undefined) {
    const read = readPolicyFile(srt.file, noteFile, 'correct the path of --srt-settings');
    const { translateSrt } = await import('./srt-settings.ts');
    const base = { document: (await translateSrt(srt, read)).document, source: read.source };
    return normalize([base, { document, source: 'the command line' }], { home });
  }
  if (file === undefined) {
    const base =
      profile === undefined
        ? []
        : [{ document: profiles[profile].document, source: `profile ${profile}` }];
    return normalize([...base, { document, source: 'the command line' }], { home });
  }
  const main = readPolicyFile(file, noteFile);
  const { parsePolicy, policyFromDocument } = await import('../policy/parse.ts');
  const resolveFile = (reference: string, from: string): ResolvedPolicy | undefined => {
    if (reference === TYPED) return main;
    return readExtended(reference, from, noteFile);
  };
  const isBare = Object.keys(document).length === 0 && profile === undefined;
  if (isBare) return parsePolicy(main.text, { source: main.source, home, resolve: resolveFile });
  const bases = [...(profile === undefined ? [] : [profile]), TYPED];
  return policyFromDocument({ extends: bases, ...document }, { home, resolve: resolveFile });
}

/** The file of the command line among what its document extends; no file's name, because of the colon it is unlikely to exist. */
const TYPED = './:command-line';

function readPolicyFile(
  file: string,
  noteFile: (path: string, text: Uint8Array) => void,
  hint?: string,
) {
  try {
    return readFile(file, noteFile);
  } catch (cause) {
    if (isCaissonError(cause)) throw cause;
    const isName = !/[/.]/.test(file) && isProfileName(file);
    throw new CaissonError('POLICY_NOT_FOUND', {
      layer: 'cli',
      message: `${file} cannot be read: ${reasonOf(cause)}`,
      hint:
        hint ??
        (isName
          ? `${file} is a profile: --profile ${file}`
          : 'caisson policy init -o policy.yaml makes one'),
      cause,
    });
  }
}

function readExtended(
  reference: string,
  from: string,
  noteFile: (path: string, text: Uint8Array) => void,
): ResolvedPolicy | undefined {
  try {
    return readFile(isAbsolute(reference) ? reference : join(dirname(from), reference), noteFile);
  } catch {
    return undefined;
  }
}

function readFile(
  path: string,
  noteFile: (path: string, text: Uint8Array) => void,
): ResolvedPolicy {
  const stat = statSync(path);
  if (!stat.isFile()) throw new Error('it is not a file');
  if (stat.size > READ_MAX) {
    throw new CaissonError('POLICY_TOO_LARGE', {
      layer: 'cli',
      message: `${path} is larger than a policy may be`,
      hint: 'split it with `extends`, or name directories instead of files',
    });
  }
  const text = readFileSync(path);
  const real = realpathSync(path);
  noteFile(resolve(path), text);
  // One name for one file, as short as it can be said: messages are to be clicked on.
  const near = relative(process.cwd(), real);
  return { text, source: near === '' || near.startsWith('..') ? real : near };
}

function documentOf(flags: PolicyFlagValues, alone: boolean): PolicyDocument {
  const level = flags.level as Level | undefined;
  const filesystem = filesystemOf(flags, alone, level ?? 'strict');
  const network = networkOf(flags.net ?? []);
  const pass = (flags.env ?? []).filter((each) => !each.includes('='));
  const limits = {
    ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    ...(flags.cpu === undefined ? {} : { cpu: Number(flags.cpu) }),
    ...(flags['cpu-time'] === undefined ? {} : { cpuTime: flags['cpu-time'] }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.processes === undefined ? {} : { processes: Number(flags.processes) }),
    ...(flags.output === undefined ? {} : { output: flags.output }),
  };
  return {
    ...(level === undefined ? {} : { level }),
    ...(filesystem === undefined ? {} : { filesystem }),
    ...(network === undefined ? {} : { network }),
    ...(pass.length === 0
      ? {}
      : {
          environment: {
            pass: alone ? [...levels[level ?? 'strict'].document.pass, ...pass] : pass,
          },
        }),
    ...(flags['on-violation'] === undefined
      ? {}
      : { onViolation: flags['on-violation'] as 'record' | 'kill' }),
    ...(flags['file-refusals'] === undefined
      ? {}
      : { fileRefusals: flags['file-refusals'] as 'audit' | 'observe' }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

/** A list replaces the level's own, so where there is no file to say it again the flags add to the level. */
function filesystemOf(
  flags: PolicyFlagValues,
  alone: boolean,
  level: Level,
): PolicyDocument['filesystem'] {
  const preset = levels[level].document.filesystem;
  const workspace = workspaceOf(flags);
  const text = (path: string): string => pathText(path, workspace);
  const namesWorkspace = flags.workspace !== undefined && flags.workspace !== 'none';
  const work = alone && (namesWorkspace || flags.overlay === true) ? ['.'] : [];
  const add = (base: readonly string[], given: readonly string[]): string[] | undefined =>
    given.length === 0 ? undefined : [...(alone ? base : []), ...given];
  const read = add(preset.read, (flags.read ?? []).map(text));
  const write = add(preset.write, [...work, ...(flags.write ?? []).map(text)]);
  const filesystem = {
    ...(read === undefined ? {} : { read }),
    ...(write === undefined ? {} : { write }),
    ...(flags.workspace === 'none' ? { workspace: 'none' as const } : {}),
    ...(flags.overlay === true ? { workspace: 'overlay' as const, apply: 'manual' as const } : {}),
  };
  return Object.keys(filesystem).length === 0 ? undefined : filesystem;
}

/**
 * On a command line a relative path is the caller's, and what a link leads to is what is meant. What lies in the workspace
 * is named as such, so that an overlay holds for it too.
 */
function pathText(path: string, workspace: string | undefined): string {
  const full = resolve(path);
  let real: string;
  try {
    real = realpathSync(full);
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'cli',
      message: `${path} does not exist`,
      hint: 'make it first, or leave it out',
      cause,
      details: { path: full },
    });
  }
  if (workspace === undefined || workspace === '/') return real;
  if (real === workspace) return '.';
  return real.startsWith(`${workspace}/`) ? `./${real.slice(workspace.length + 1)}` : real;
}

/**
 * The directory that `.` means: absolute, without links. Nothing where the command line wants none.
 *
 * @throws PATH_MISSING
 */
export function workspaceOf({
  workspace = '.',
}: Pick<PolicyFlagValues, 'workspace'>): string | undefined {
  if (workspace === 'none') return undefined;
  const stat = statSync(workspace, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) return realpathSync(workspace);
  throw new CaissonError('PATH_MISSING', {
    layer: 'cli',
    message: `the workspace ${workspace} is not a directory`,
    hint: 'make it first, or write --workspace none',
  });
}

function networkOf(words: readonly string[]): PolicyDocument['network'] {
  if (words.length === 0) return undefined;
  const [mode] = words.filter((word) => /^(none|full|internal(:.*)?)$/.test(word));
  if (mode === undefined) return { mode: 'filtered', allow: [...words] };
  if (words.length > 1) throw invalid(`--net ${mode} stands alone`, `leave out the other --net`);
  if (mode === 'none' || mode === 'full') return { mode };
  const group = mode.slice('internal:'.length);
  if (group === '') throw invalid('--net internal needs a group', 'write --net internal:NAME');
  return { mode: 'internal', group };
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  return message;
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
