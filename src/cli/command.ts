/**
 * What a command is: data, from which parsing, help, completion and the documentation come.
 * What it does is loaded when it is called, so that `caisson run` does not pay for `caisson doctor`.
 */

export interface Flag {
  readonly summary: string;
  /** One letter. */
  readonly short?: string;
  /** What stands for its value in help, such as `FILE`. Absent: a switch. */
  readonly value?: string;
  /** May be given several times; all count. */
  readonly repeatable?: true;
  /** `--no-NAME` says the opposite. */
  readonly negatable?: true;
  /** What a shell offers; other values are not refused here. */
  readonly choices?: readonly string[];
  readonly completes?: 'file' | 'directory';
  /** Throws a CaissonError when the value is wrong; told before anything else happens. */
  readonly check?: (value: string) => unknown;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface Positional {
  /** As help shows it, such as `POLICY`. */
  readonly name: string;
  readonly summary: string;
  readonly optional?: true;
  readonly repeatable?: true;
  readonly choices?: readonly string[];
  readonly completes?: 'file' | 'directory';
}

type Value<F extends Flag> = F extends { readonly value: string }
  ? F extends { readonly repeatable: true }
    ? readonly string[]
    : string
  : boolean;

/** What was given; a flag that was not is absent. */
export type FlagValues<F extends Flags> = { readonly [Name in keyof F]?: Value<F[Name]> };

export interface Invocation<F extends Flags = Flags> {
  readonly flags: FlagValues<F>;
  readonly positionals: readonly string[];
  /** What the guest is to run: everything after `--`, or from the first word that is no flag. */
  readonly argv: readonly string[];
  readonly json: boolean;
}

/** What a command came to; main prints it. */
export interface Report {
  readonly exit: number;
  /** The one document of `--json`. */
  readonly document: unknown;
  /** For stdout, without `--json`. */
  readonly text?: string;
  /** For stderr, each after `caisson: `, without `--json`. */
  readonly notes?: readonly string[];
}

export type Action<F extends Flags = Flags> = (invocation: Invocation<F>) => Promise<Report>;

export interface CommandSpec<F extends Flags> {
  readonly name: string;
  readonly summary: string;
  /** More than a line, for its own help. */
  readonly description?: string;
  readonly flags: F;
  readonly positionals?: readonly Positional[];
  /** Takes a command line for the guest: `required`, or what stands for it when there is none. */
  readonly guest?: 'required' | 'optional';
  /** Words after `--` are a program's; what stands before them are flags and positionals of its own. */
  readonly words?: string;
  readonly examples?: readonly string[];
  readonly load: () => Promise<{ readonly action: Action<F> }>;
}

export interface Command extends Omit<CommandSpec<Flags>, 'load'> {
  readonly load: () => Promise<{ readonly action: Action }>;
}

/** Keeps the types of a command's flags together with its action, then forgets them. */
export function command<const F extends Flags>(spec: CommandSpec<F>): Command {
  return spec as unknown as Command;
}
