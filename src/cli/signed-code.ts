/** The code that a command line names, and what it is signed as. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { SIGNED_KINDS } from '../admission/signing/statement.ts';
import type { Capability, CodeLanguage } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import { parseBytes, parseDuration } from '../core/units.ts';

const FILE_MAX = 64 * 2 ** 20;
const KIND_BY_EXTENSION: Readonly<Record<string, CodeLanguage>> = {
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.cts': 'typescript',
  '.py': 'python',
  '.sh': 'shell',
  '.wasm': 'wasm',
};

interface SubjectFlags {
  readonly id?: string;
  readonly 'module-version'?: string;
  readonly kind?: string;
}

interface LimitFlags {
  readonly timeout?: string;
  readonly 'cpu-time'?: string;
  readonly memory?: string;
}

export interface NamedCode {
  readonly id: string;
  readonly version?: string;
  readonly kind: CodeLanguage;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

/** @throws REQUEST_INVALID, PATH_MISSING */
export function namedCode(
  flags: SubjectFlags,
  file: string | undefined,
  argv: readonly string[],
): NamedCode {
  const bytes = codeOf(file, argv);
  const id = flags.id ?? (file === undefined ? undefined : basename(file));
  if (id === undefined) throw invalid('a command has no name of its own', 'give --id NAME');
  const version = flags['module-version'];
  return {
    id,
    ...(version === undefined ? {} : { version }),
    kind: kindOf(flags.kind, file),
    digest: createHash('sha256').update(bytes).digest('hex'),
  };
}

export function limitsOf({ timeout, 'cpu-time': cpuTime, memory }: LimitFlags) {
  return {
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout) }),
    ...(cpuTime === undefined ? {} : { cpuMs: parseDuration(cpuTime) }),
    ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
  };
}

/** `--declares network,filesystem --declares process`; what is none of them is told by the schema. */
export function declaredBy(values: readonly string[] | undefined): Capability[] | undefined {
  return values?.flatMap((value) => value.split(',')).filter((each) => each !== '') as Capability[];
}

/** @throws REQUEST_INVALID, PATH_MISSING */
export function readWhole(file: string, most: number = FILE_MAX): Buffer {
  try {
    const stats = statSync(file);
    if (stats.isFile() && stats.size <= most) return readFileSync(file);
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'cli',
      message: `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`,
      hint: 'name a file that is there',
      cause,
    });
  }
  throw invalid(
    `${file} is no file of at most ${most} bytes`,
    'name a file of code or a signature',
  );
}

/** Of a command its words as JSON, as the registry of modules keeps them. */
function codeOf(file: string | undefined, argv: readonly string[]): Buffer {
  if (argv.length > 0 && file !== undefined) {
    throw invalid('a command is words alone', 'leave the file out');
  }
  if (argv.length > 0) return Buffer.from(JSON.stringify(argv));
  if (file !== undefined) return readWhole(file);
  throw invalid('there is no code', 'name a file, or a command after --');
}

function kindOf(asked: string | undefined, file: string | undefined): CodeLanguage {
  if (file === undefined) {
    if ((asked ?? 'command') === 'command') return 'command';
    throw invalid(`words are no ${asked}`, 'leave --kind out');
  }
  const kind = asked === 'js' ? 'javascript' : (asked ?? KIND_BY_EXTENSION[extname(file)]);
  const known = SIGNED_KINDS.find((each) => each === kind);
  if (known !== undefined && known !== 'command') return known;
  const kinds = SIGNED_KINDS.filter((each) => each !== 'command').join(', ');
  throw invalid(`what ${file} holds cannot be told by its name`, `give --kind: ${kinds}`);
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
