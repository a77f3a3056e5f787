/** Sources that an interpreter of the sandbox runs as a command: its words, its stdin, and what its end says. */
import type { GuestError } from '../backends/program.ts';
import { CaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';

export type CommandLanguage = 'python' | 'shell';

export interface InterpreterCommand {
  readonly argv: readonly [string, ...string[]];
  readonly input: string | Uint8Array;
}

interface Interpreter {
  readonly program: string;
  /** Before the source as an argument. */
  readonly inline: readonly string[];
  /** In place of both, where the source comes on stdin. */
  readonly fromInput: readonly string[];
  /** Between the source and the words, such as a name for `$0`. */
  readonly name: readonly string[];
}

const interpreters: Readonly<Record<CommandLanguage, Interpreter>> = {
  python: { program: 'python3', inline: ['-c'], fromInput: ['-'], name: [] },
  // Without -- a source or word that begins with - would be options of the shell.
  shell: { program: 'sh', inline: ['-c', '--'], fromInput: ['-s', '--'], name: ['sh'] },
};

/** execve(2): one argument has 128 KiB at most, its NUL included. */
const ARGUMENT_MAX = 128 * 1024 - 1;
/** Of what a guest wrote to stderr, so much is looked at and handed on as its error. */
const TRACE_MAX = 16 * 1024;

export function isCommandLanguage(language: string): language is CommandLanguage {
  return Object.hasOwn(interpreters, language);
}

/**
 * @param input for its stdin
 * @throws REQUEST_INVALID for a source that has no way in
 */
export function interpreterCommand(
  language: CommandLanguage,
  source: string,
  words: readonly string[],
  input: string | Uint8Array | undefined,
): InterpreterCommand {
  const { program, inline, fromInput, name } = interpreters[language];
  const isShort = Buffer.byteLength(source) <= ARGUMENT_MAX;
  if (isShort && !source.includes('\0')) {
    return { argv: [program, ...inline, source, ...name, ...words], input: input ?? '' };
  }
  if (input === undefined) return { argv: [program, ...fromInput, ...words], input: source };
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'functions',
    message: 'a source of more than 128 KiB takes the place of stdin, so it can have no input',
    hint: 'hand the input in as a file of the workspace, or the source: run a file by caisson.run',
  });
}

/** COMMAND_NOT_FOUND of the interpreter, with what to do about it; anything else as it is. */
export function withoutInterpreter(language: CommandLanguage, error: unknown): unknown {
  const { code } = error as { code?: unknown };
  if (code !== 'COMMAND_NOT_FOUND') return error;
  const { program } = interpreters[language];
  return new CaissonError('COMMAND_NOT_FOUND', {
    layer: 'functions',
    message: `${language} needs ${program}, which is not there inside the sandbox`,
    hint: `install ${program} on this host, or let the policy read the directory that it is in (filesystem.read)`,
    details: { interpreter: program },
    cause: error,
  });
}

/** What made it end with another code than 0, by what it wrote last. Texts of the guest's. */
export function errorOf(language: CommandLanguage, { code, stderr }: Outcome): GuestError {
  const trace = stderr.text.slice(-TRACE_MAX).trimEnd();
  const last = trace.slice(trace.lastIndexOf('\n') + 1);
  // Python's last line names the exception and says its message.
  const raised = language === 'python' ? /^([A-Za-z_][\w.]*)(?:: (.*))?$/.exec(last) : null;
  const isRaised = raised !== null && /^(?:Traceback \(| {2}File ")/m.test(trace);
  const stack = trace === '' ? {} : { stack: trace };
  if (isRaised) return { name: raised[1] ?? '', message: raised[2] ?? '', ...stack };
  return { name: 'Exit', message: last === '' ? `exit code ${code}` : last, ...stack };
}
