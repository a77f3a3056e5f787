/** `caisson module register`. */
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Capability } from '../../core/admission.ts';
import { CaissonError } from '../../core/error.ts';
import { formatBytes, parseBytes, parseDuration } from '../../core/units.ts';
import { type ModuleRegistration, splitReference } from '../../modules/module-schemas.ts';
import type { Action, FlagValues } from '../command.ts';
import type { registerFlags } from '../module-commands.ts';
import { acceptedOf, placeOf } from '../place.ts';
import { withModules } from '../with-modules.ts';

type Values = FlagValues<typeof registerFlags>;

/** What is larger than any ceiling is not read whole. */
const FILE_MAX = 33 * 2 ** 20;
const KINDS: Readonly<Record<string, Pick<ModuleRegistration, 'kind' | 'language'>>> = {
  '.js': { kind: 'js' },
  '.mjs': { kind: 'js' },
  '.ts': { kind: 'js', language: 'typescript' },
  '.mts': { kind: 'js', language: 'typescript' },
  '.wasm': { kind: 'wasm' },
};

export const action: Action<typeof registerFlags> = async ({ flags, positionals, argv }) => {
  const [name = '', file] = positionals;
  const { id, version } = splitReference(name);
  if (version === undefined) {
    throw invalid('a module is registered under a version', `write ${id}@1.0.0`);
  }
  const request: ModuleRegistration = {
    id,
    version,
    ...codeOf(file, argv, flags.kind as ModuleRegistration['kind'] | undefined),
    ...(flags.export === undefined ? {} : { export: flags.export }),
    ...(flags.keep === undefined ? {} : { keep: flags.keep as 'context' }),
    ...limitsOf(flags),
    ...(flags.metadata === undefined ? {} : { metadata: jsonOf(flags.metadata) }),
    ...signaturesIn(flags.signature ?? []),
    ...(flags.certificate === undefined ? {} : { certificate: read(flags.certificate) }),
    ...(flags.declare === undefined ? {} : { declares: flags.declare as Capability[] }),
    ...(flags['public-key'] === undefined
      ? {}
      : { publicKey: read(flags['public-key']).toString() }),
  };
  const { policy, accept, unisolated, level } = flags;
  const place = await placeOf({
    workspace: 'none',
    ...(policy === undefined ? {} : { policy }),
    ...(level === undefined ? {} : { level }),
    ...(unisolated === undefined ? {} : { unisolated }),
  });
  const where = { ...place, ...(accept === undefined ? {} : { accept: acceptedOf({ accept }) }) };
  return await withModules(
    { ...where, store: flags.store, trust: flags.trust },
    async (modules) => {
      const { module, added } = await modules.register(request);
      const { kind, codeBytes, digest } = module;
      return {
        exit: 0,
        document: { module, added },
        text: `${module.id}@${module.version}  ${kind}  ${formatBytes(codeBytes)}  sha256:${digest}\n`,
        notes: [
          ...(added ? [] : ['it was registered already, with the same content']),
          ...(module.admission.decision === 'strengthened' ? (module.admission.reasons ?? []) : []),
        ],
      };
    },
  );
};

function codeOf(
  file: string | undefined,
  argv: readonly string[],
  asked: ModuleRegistration['kind'] | undefined,
): Pick<ModuleRegistration, 'kind' | 'language' | 'code'> {
  if (argv.length > 0) {
    if (file !== undefined || (asked ?? 'command') !== 'command') {
      throw invalid('a command is words alone', 'leave the file and --kind out');
    }
    return { kind: 'command', code: [...argv] };
  }
  if (file === undefined) {
    throw invalid('there is no code', 'name a file, or a command after --');
  }
  const known = KINDS[extname(file)];
  const kind = asked ?? known?.kind;
  if (kind === undefined || kind === 'command') {
    throw invalid(`what ${file} holds cannot be told by its name`, 'give --kind js or --kind wasm');
  }
  const isTyped = kind === 'js' && known?.language === 'typescript';
  return { kind, code: read(file), ...(isTyped ? { language: 'typescript' as const } : {}) };
}

function limitsOf({ timeout, memory, 'cpu-time': cpuTime }: Values): Partial<ModuleRegistration> {
  const limits = {
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout) }),
    ...(cpuTime === undefined ? {} : { cpuMs: parseDuration(cpuTime) }),
    ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
  };
  return Object.keys(limits).length === 0 ? {} : { limits };
}

function jsonOf(text: string): ModuleRegistration['metadata'] {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(
      `--metadata is no JSON: ${(cause as Error).message}`,
      `--metadata '{"team": "a"}'`,
    );
  }
}

/** Documents are JSON; a bare one is as openssl writes it, or as base64 does. */
function signaturesIn(files: readonly string[]): Partial<ModuleRegistration> {
  const signatures: string[] = [];
  const bare: string[] = [];
  for (const file of files) {
    const bytes = read(file);
    if (bytes.length === 64) bare.push(bytes.toString('base64'));
    else if (/^\s*\{/.test(bytes.toString('latin1'))) signatures.push(bytes.toString());
    else bare.push(bytes.toString('latin1').trim());
  }
  if (bare.length > 1) throw invalid('there is more than one bare signature', 'give one of them');
  const [signature] = bare;
  return {
    ...(signatures.length === 0 ? {} : { signatures }),
    ...(signature === undefined ? {} : { signature }),
  };
}

function read(file: string): Buffer {
  try {
    const bytes = readFileSync(file);
    if (bytes.length <= FILE_MAX) return bytes;
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'cli',
      message: `${file} cannot be read`,
      cause,
    });
  }
  throw new CaissonError('MODULE_TOO_LARGE', {
    layer: 'cli',
    message: `${file} is larger than any module may be`,
  });
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
