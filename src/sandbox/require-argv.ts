import { CaissonError, type ErrorLayer } from '../core/error.ts';

/** For callers without types: a text in the place of words would be taken letter by letter. @throws REQUEST_INVALID */
export function requireArgv(argv: readonly string[], layer: ErrorLayer = 'sandbox'): void {
  if (Array.isArray(argv) && argv.every((word) => typeof word === 'string')) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer,
    message: 'a command is a list of words',
    hint: "write ['ls', '-l'], or ['sh', '-c', 'a line of shell']",
  });
}

/** What a shell is told to do. @throws REQUEST_INVALID */
export function requireShellCommand(command: string, layer: ErrorLayer = 'sandbox'): void {
  if (typeof command !== 'string') {
    throw new CaissonError('REQUEST_INVALID', {
      layer,
      message: 'a shell command is one text',
      hint: "write 'ls -l'; exec takes a list of words",
    });
  }
  if (command.includes('\0')) {
    throw new CaissonError('REQUEST_INVALID', {
      layer,
      message: 'a shell command holds a NUL byte',
    });
  }
}
