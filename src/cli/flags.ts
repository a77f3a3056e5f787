/**
 * Flags that several commands share.
 */
import { parseBytes, parseCores, parseCount, parseDuration } from '../core/units.ts';
import { LEVEL_NAMES } from '../policy/levels.ts';
import { profiles } from '../policy/profiles.ts';
import type { Command, Flags } from './command.ts';
import { telemetryFlags } from './telemetry-flags.ts';

/** What every command takes. */
export const commonFlags = {
  json: { summary: 'Print exactly one JSON document on stdout' },
  help: { short: 'h', summary: 'Show what the command does and takes' },
} as const satisfies Flags;

const profileNames = Object.keys(profiles);

/** A command's own flags, then those that every command takes. */
export function allFlags({ flags }: Pick<Command, 'flags'>): Flags {
  return { ...flags, ...commonFlags };
}

/** What makes a policy, on top of a file or instead of one. */
export const policyFlags = {
  policy: {
    short: 'p',
    value: 'FILE',
    completes: 'file',
    summary: 'Policy to build on, YAML or JSON',
  },
  'srt-settings': {
    value: 'FILE',
    completes: 'file',
    summary: "Settings of Anthropic's sandbox-runtime, instead of a policy",
  },
  profile: {
    value: 'NAME',
    choices: profileNames,
    summary: `Ready policy to build on: ${profileNames.join(', ')}`,
  },
  level: {
    short: 'l',
    value: 'LEVEL',
    choices: LEVEL_NAMES,
    summary: 'Preset for what nothing else says: none, basic, moderate, strict (default), paranoid',
  },
  read: {
    short: 'r',
    value: 'PATH',
    repeatable: true,
    completes: 'file',
    summary: 'May read this path and what is below it',
  },
  write: {
    short: 'w',
    value: 'PATH',
    repeatable: true,
    completes: 'file',
    summary: 'May read and write this path and what is below it',
  },
  workspace: {
    value: 'DIR|none',
    completes: 'directory',
    summary: 'The directory that `.` means in a policy (default: the current one); see below',
  },
  overlay: {
    summary: 'Keep changes of the workspace aside; see caisson diff, apply, discard',
  },
  net: {
    short: 'n',
    value: 'HOST[:PORT]|none|full|internal:GROUP',
    repeatable: true,
    summary:
      "May connect there, and nowhere else; or no network, the host's whole network, the network of a group of sandboxes",
  },
  env: {
    short: 'e',
    value: 'NAME[=VALUE]',
    repeatable: true,
    summary: "Pass a variable of the caller's on, or set one",
  },
  'env-file': {
    value: 'FILE',
    repeatable: true,
    completes: 'file',
    summary: 'Set the variables of a file of NAME=value lines',
  },
  memory: {
    short: 'm',
    value: 'SIZE',
    check: parseBytes,
    summary: 'Memory of all processes together, such as 256MiB',
  },
  cpu: { value: 'CORES', check: parseCores, summary: 'Cores, such as 0.5' },
  'cpu-time': {
    value: 'TIME',
    check: parseDuration,
    summary: 'CPU time of all processes together, such as 10s',
  },
  timeout: {
    short: 't',
    value: 'TIME',
    check: parseDuration,
    summary: 'Wall-clock time, such as 30s',
  },
  processes: { value: 'COUNT', check: parseCount, summary: 'Processes and threads' },
  output: { value: 'SIZE', check: parseBytes, summary: 'Bytes of stdout and of stderr, each' },
  'on-violation': {
    value: 'record|kill',
    choices: ['record', 'kill'],
    summary:
      'Whether what is refused ends the run (default: as the policy or its level says; strict ends it for an attempt to get out)',
  },
  'file-refusals': {
    value: 'audit|observe',
    choices: ['audit', 'observe'],
    summary:
      'Record refused file accesses too: from the audit log where it is on, or by observing every open (slower)',
  },
  accept: {
    value: 'IDS',
    repeatable: true,
    summary: 'Go on without these protections, named by a refusal; always recorded',
  },
  unisolated: { summary: 'Allow --level none, which isolates nothing' },
} as const satisfies Flags;

export type PolicyFlags = typeof policyFlags;

/** What a run takes beside its policy. */
export const runFlags = {
  ...policyFlags,
  cwd: {
    short: 'C',
    value: 'DIR',
    summary: 'Working directory inside (default: the workspace where it shows, else /tmp)',
  },
  ask: {
    summary:
      'Ask at the terminal about destinations that no rule decides; the guest gets no terminal then',
  },
  audit: {
    value: 'DIR',
    completes: 'directory',
    summary: 'Record what happens in a log of that directory; see caisson audit',
  },
  publish: {
    value: '[PORT:]GUESTPORT',
    repeatable: true,
    summary:
      "Let programs of this machine reach a port that the policy's `listen` names, on a port of 127.0.0.1 (default: one that is free, which is printed)",
  },
  tty: {
    negatable: true,
    summary: 'Give the guest a terminal of its own (default: when stdin and stdout are one)',
  },
  ...telemetryFlags,
} as const satisfies Flags;

export type RunFlags = typeof runFlags;

export const learnFlags = {
  out: {
    short: 'o',
    value: 'FILE',
    completes: 'file',
    summary: 'Write the policy there, where nothing is yet; default: stdout',
  },
  workspace: {
    value: 'DIR',
    completes: 'directory',
    summary: 'The directory that `.` means in the policy (default: the current one)',
  },
  tighten: {
    value: 'POLICY',
    completes: 'file',
    summary: 'Say what this policy allows that the command never used, instead of writing one',
  },
} as const satisfies Flags;
