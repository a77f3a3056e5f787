/** What the catalogues are made of: named things, what they do to values, and what they do to the world. */
import type { ThreatFamily } from '../../../core/admission.ts';
import type { Effect, Use } from '../facts.ts';

/** What using a named thing does, in words that chains are told in. */
export type Act =
  /** Starts a program; `shell`: through a shell, so that a text decides which. */
  | 'run'
  | 'shell'
  /** Runs a text as code. */
  | 'evaluate'
  /** Data leaves the machine; `receive`: data comes in; `listen`: others can call; `resolve`: only names are asked for. */
  | 'send'
  | 'receive'
  | 'listen'
  | 'resolve'
  | 'read-file'
  | 'write-file'
  | 'remove-file'
  | 'list-files'
  | 'make-executable'
  | 'load-module'
  | 'native'
  | 'signal'
  | 'read-environment'
  | 'read-secret'
  | 'identify'
  | 'capture'
  | 'look-around'
  | 'encode'
  | 'decode'
  | 'encrypt'
  | 'sleep'
  | 'worker'
  | 'persist'
  | 'allocate'
  | 'escape'
  | 'archive'
  | 'install-hook';

export interface Entry extends Effect {
  /** Absent: it is of interest to chains alone. */
  readonly family?: ThreatFamily;
  readonly acts?: readonly Act[];
  /** Share of the family's base score that it counts for; default 1. */
  readonly weight?: number;
  /** Ends the sentence "This …". */
  readonly does?: string;
  /** Reading it is using it already; default only calls and commands are. */
  readonly onRead?: true;
  /** Only where this holds of a use. */
  readonly when?: (use: Use) => boolean;
  /** Path of what a call gives, where constant arguments decide it. */
  readonly names?: (args: Use['args']) => string | undefined;
}

export type Catalogue = Map<string, Entry>;

/** `names`: paths apart by white space; `a.{b,c}` stands for `a.b a.c`, once a path or several times. */
export function addEntries(catalogue: Catalogue, entry: Entry, names: string): void {
  for (const name of names.split(/\s+/)) {
    for (const path of name === '' ? [] : spread(name)) catalogue.set(path, entry);
  }
}

function spread(name: string): string[] {
  const open = name.indexOf('{');
  if (open < 0) return [name];
  const close = name.indexOf('}', open);
  const rest = spread(name.slice(close + 1));
  return name
    .slice(open + 1, close)
    .split(',')
    .flatMap((part) => rest.map((end) => name.slice(0, open) + part + end));
}

/**
 * The entry of a path: its own, else that of the nearest part above it that has one ending in `.*` (which stands for
 * results of calls, too: `npm:got.*` is `npm:got.post` and `npm:got.extend().post`), else that of a method by its name
 * alone (`?.exec`), where the receiver is not known.
 */
export function findEntry(catalogue: Catalogue, path: string): Entry | undefined {
  const own = catalogue.get(path);
  if (own !== undefined) return own;
  for (let end = path.length; end > 0; ) {
    end = Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('()', end - 1));
    if (end <= 0) return undefined;
    const above = catalogue.get(`${path.slice(0, end)}.*`);
    if (above !== undefined) return above;
  }
  return undefined;
}
