/**
 * The smallest policy for what a run used, each entry with the reason it stands there. Pure.
 */

import type { TraceEnd } from '../launcher/trace-record.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { Destinations } from './destinations.ts';
import { type LearnedCalls, learnCalls } from './learned-calls.ts';
import { type LearnedLimit, learnLimits } from './learned-limits.ts';
import { type LearnedPaths, learnPaths, type PathContext } from './learned-paths.ts';
import type { Observations } from './observations.ts';

/** One entry of a list, and why it is there. */
export interface Reasoned {
  readonly text: string;
  readonly reason: string;
}

export interface LearnContext extends PathContext {
  readonly argv: readonly string[];
  readonly end: TraceEnd;
  /** Of this machine. */
  readonly cores: number;
  /** Largest file that the run left, bytes. */
  readonly largestFileBytes: number;
}

export interface LearnedPolicy {
  readonly document: PolicyDocument;
  readonly read: readonly Reasoned[];
  readonly write: readonly Reasoned[];
  readonly allow: readonly Reasoned[];
  readonly listen: readonly { readonly port: number; readonly reason: string }[];
  readonly calls: LearnedCalls;
  readonly limits: readonly LearnedLimit[];
  /** What a person should know before using it. */
  readonly notes: readonly string[];
}

export function learnPolicy(
  seen: Observations,
  destinations: Destinations,
  context: LearnContext,
): LearnedPolicy {
  const paths = learnPaths(seen, context);
  const calls = learnCalls(seen.calls);
  const limits = learnLimits(context);
  const allow = destinations.allow.map(({ text, by, addresses }): Reasoned => {
    const at = addresses.join(', ');
    if (by === 'name') return { text, reason: `connected to ${at}, which the name leads to` };
    if (by === 'likely')
      return {
        text,
        reason: `connected to ${at}; of the names asked for, only this one can be it`,
      };
    return { text, reason: 'connected to; no name that was asked for before leads here' };
  });
  const listen = seen.listening.map((port) => ({ port, reason: 'listened on' }));
  return {
    document: documentOf(paths, { allow, listen, calls, limits }, context),
    read: paths.read,
    write: paths.write,
    allow,
    listen,
    calls,
    limits,
    notes: [
      ...endNotes(context.end),
      ...paths.notes,
      ...calls.notes,
      ...networkNotes(seen, destinations),
    ],
  };
}

function documentOf(
  paths: LearnedPaths,
  rest: Pick<LearnedPolicy, 'allow' | 'listen' | 'calls' | 'limits'>,
  { argv, home }: LearnContext,
): PolicyDocument {
  const { allow, listen, calls, limits } = rest;
  return {
    version: 1,
    name: nameFor(argv[0] ?? ''),
    level: 'strict',
    filesystem: {
      read: paths.read.map(({ text }) => text),
      write: paths.write.map(({ text }) => text),
      ...(paths.workspace
        ? { workspace: 'staged' as const, apply: 'auto' as const }
        : { workspace: 'none' as const }),
      ...(paths.sys ? { sys: true } : {}),
    },
    ...(allow.length + listen.length === 0
      ? {}
      : {
          network: {
            mode: 'filtered' as const,
            allow: allow.map(({ text }) => text),
            ...(listen.length === 0 ? {} : { listen: listen.map(({ port }) => port) }),
          },
        }),
    ...(paths.usesHome && home !== undefined ? { environment: { set: { HOME: home } } } : {}),
    ...(calls.allow.length === 0
      ? {}
      : { syscalls: { allow: calls.allow.map(({ text }) => text) } }),
    ...(paths.devices.length === 0 ? {} : { devices: [...paths.devices] }),
    limits: Object.fromEntries(limits.map(({ key, value }) => [key, value])),
  };
}

function nameFor(command: string): string {
  const base = command.slice(command.lastIndexOf('/') + 1).replace(/[^A-Za-z0-9._-]/g, '-');
  return `learned ${base}`.slice(0, 64);
}

function endNotes({ status, left }: TraceEnd): string[] {
  const notes: string[] = [];
  if (status !== 0) {
    notes.push(
      'the command failed: what it would have used after that is missing; make it pass, then learn again',
    );
  }
  if (left > 0) {
    notes.push(`${left} of its processes were still there when it ended, and were killed`);
  }
  return notes;
}

function networkNotes(seen: Observations, { allow, loopback, unfit }: Destinations): string[] {
  const notes = loopback.map(
    (each) => `it used ${each}, a service of this host; inside, loopback is the sandbox's own`,
  );
  for (const each of unfit) {
    notes.push(`it used ${each}, to which no filtered network lets datagrams; not allowed`);
  }
  const asked = seen.names.filter(
    (name) => !allow.some(({ text }) => text === name || text.startsWith(`${name}:`)),
  );
  if (asked.length > 0) {
    const shown = asked.slice(0, 6).join(', ');
    const more = asked.length > 6 ? ` and ${asked.length - 6} more` : '';
    notes.push(`it asked for ${shown}${more} and connected to none of them; not allowed`);
  }
  if (seen.listensAnywhere)
    notes.push('it listened on a port that the kernel chose; not published');
  return notes;
}
