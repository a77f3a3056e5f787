/** `caisson prove MODULE` and `caisson prove --check MODULE CERTIFICATE`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { checkProof } from '../../admission/proof/check-proof.ts';
import { prove } from '../../admission/proof/prover/prove.ts';
import { CaissonError } from '../../core/error.ts';
import { parseBytes } from '../../core/units.ts';
import type { Action, Report } from '../command.ts';
import type { proveFlags } from '../prove-flags.ts';

/** As where a module or a signature is not what it should be. */
const UNTRUE = 65;
const PAGE = 65_536;

export const action: Action<typeof proveFlags> = async ({ flags, positionals }) => {
  const [file = '', certificate] = positionals;
  if (flags.check) {
    if (certificate === undefined)
      throw invalid('--check needs a certificate', `caisson prove --check ${file} CERTIFICATE`);
    return checked(file, certificate);
  }
  if (certificate !== undefined)
    throw invalid('a certificate is given, and nothing to do with it', 'add --check');
  const out = flags.out ?? `${file.replace(/\.wasm$/, '')}.proved.wasm`;
  const beside = flags.certificate ?? `${out}.pcc`;
  const memory =
    flags.memory === undefined ? undefined : Math.floor(parseBytes(flags.memory) / PAGE);
  const proved = prove(read(file), {
    ...(memory === undefined ? {} : { memoryPages: memory }),
    ...(flags.stack === undefined ? {} : { stackSlots: wholeOf(flags.stack) }),
    deterministic: flags.deterministic ?? false,
  });
  // What is handed out has passed the check that its receiver will make.
  const check = checkProof(proved.module, proved.certificate);
  if (!check.ok)
    throw new CaissonError('INTERNAL', {
      layer: 'cli',
      message: `the certificate of ${file} is not true: ${check.obligation} at ${check.offset}: ${check.message}`,
      hint: 'report it, with the module',
    });
  write(out, proved.module);
  write(beside, proved.certificate);
  const { bounds, subject } = check.proof;
  return {
    exit: 0,
    document: { module: out, certificate: beside, subject, bounds },
    text: `${out}  ${proved.module.length}B  sha256:${subject}\n${beside}  ${proved.certificate.length}B\n${shown(bounds)}`,
  };
};

function checked(file: string, certificate: string): Report {
  const check = checkProof(read(file), read(certificate));
  if (check.ok) {
    const { bounds, subject } = check.proof;
    const document = { valid: true, module: file, certificate, subject, bounds };
    return { exit: 0, document, text: `${file}: proved, sha256:${subject}\n${shown(bounds)}` };
  }
  const { obligation, offset, message } = check;
  const where = obligation === 'certificate' ? certificate : file;
  return {
    exit: UNTRUE,
    document: { valid: false, module: file, certificate, obligation, offset, message },
    text: `${where}: not proved: ${obligation}, offset 0x${offset.toString(16)}: ${message}\n`,
  };
}

function shown(bounds: Readonly<Record<string, string>>): string {
  return Object.entries(bounds)
    .map(([name, value]) => `  ${name}: ${value}\n`)
    .join('');
}

function wholeOf(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text))
    throw invalid(`--stack ${text} is no number of slots`, 'write a whole number, such as 65536');
  return Number(text);
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const hint = 'name a file that you may read';
    const message = `${file} cannot be read`;
    throw new CaissonError('PATH_MISSING', { layer: 'cli', message, hint, cause });
  }
}

function write(file: string, bytes: Uint8Array): void {
  try {
    writeFileSync(file, bytes);
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `${file} cannot be written`,
      hint: 'name a place where you may write',
      cause,
    });
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
