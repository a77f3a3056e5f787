import { CaissonError } from '../core/error.ts';

/** For callers without types: a text in the place of words would be taken letter by letter. @throws REQUEST_INVALID */
export function requireArgv(argv: readonly string[]): void {
  if (Array.isArray(argv) && argv.every((word) => typeof word === 'string')) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: 'a command is a list of words',
    hint: "write ['ls', '-l'], or ['sh', '-c', 'a line of shell']",
  });
}
