/** The command line of a script: `--help` tells it, and a mistake is told in a line, not by a stack. */
import { type ParseArgsConfig, type ParseArgsOptionsConfig, parseArgs } from 'node:util';

const HELP = { help: { type: 'boolean', short: 'h', default: false } } as const;

/** Ends this process for `--help` (0) and for what cannot be understood (2). @param usage ends with a line feed */
export function commandLine<const T extends ParseArgsOptionsConfig, P extends boolean = false>(
  usage: string,
  options: T,
  allowPositionals?: P,
) {
  const config = { options: { ...options, ...HELP }, allowPositionals: allowPositionals ?? false };
  try {
    const parsed = parseArgs(config as ParseArgsConfig) as ReturnType<
      typeof parseArgs<{ options: T & typeof HELP; allowPositionals: P }>
    >;
    if ((parsed.values as { help: boolean }).help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    return parsed;
  } catch (error) {
    return misused(usage, (error as Error).message);
  }
}

/** Exit code 2. */
export function misused(usage: string, problem: string): never {
  process.stderr.write(`${problem}\n\n${usage}`);
  process.exit(2);
}
