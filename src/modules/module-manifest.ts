/** From a registration to what is kept of it: code as bytes with its digest, limits within the ceilings. */
import { createHash } from 'node:crypto';
import { CaissonError } from '../core/error.ts';
import { formatBytes, formatDuration } from '../core/units.ts';
import type { ModuleManifest } from '../store/module-record.ts';
import { type Ceilings, type ModuleRegistration, registrationSchema } from './module-schemas.ts';
import { publicKeyOf, signatureOf, verifySignature } from './module-signature.ts';
import { parseRequest } from './parse-request.ts';

const MiB = 2 ** 20;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_CPU_MS = 5000;
const DEFAULT_MEMORY = 128 * MiB;
const WORDS_MAX = 256;

export interface Registration {
  readonly manifest: ModuleManifest;
  readonly code: Uint8Array;
  /** Of all that never changes. */
  readonly identity: string;
}

/** @throws REQUEST_INVALID, MODULE_TOO_LARGE, MODULE_CODE_INVALID, MODULE_SIGNATURE_WRONG */
export function registrationOf(request: ModuleRegistration, ceilings: Ceilings): Registration {
  const asked = parseRequest(registrationSchema, request, 'the registration');
  const { id, version, kind, keep = 'nothing', metadata = {} } = asked;
  checkKind(asked);
  const code = bytesOf(asked, ceilings);
  const digest = createHash('sha256').update(code).digest('hex');
  const signature = asked.signature === undefined ? undefined : signatureOf(asked.signature);
  const publicKey = asked.publicKey === undefined ? undefined : publicKeyOf(asked.publicKey);
  if (signature !== undefined && publicKey !== undefined) {
    verifySignature(digest, signature, publicKey);
  }
  const manifest: ModuleManifest = {
    id,
    version,
    kind,
    ...(kind === 'js' ? { language: asked.language ?? 'javascript' } : {}),
    digest,
    codeBytes: code.length,
    export: asked.export ?? 'default',
    keep,
    limits: limitsOf(asked.limits ?? {}, ceilings),
    ...(signature === undefined ? {} : { signature }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(asked.declares === undefined ? {} : { declares: [...new Set(asked.declares)].sort() }),
    ...(asked.signatures === undefined ? {} : { signatures: [...asked.signatures] }),
    ...(asked.certificate === undefined
      ? {}
      : { certificate: Buffer.from(asked.certificate).toString('base64') }),
    metadata: metadata as ModuleManifest['metadata'],
  };
  return { manifest, code, identity: identityOf(manifest) };
}

/** The same for manifests that differ in the order of their keys alone. */
export function identityOf(manifest: ModuleManifest): string {
  const text = JSON.stringify(manifest, (_, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(text).digest('hex');
}

function checkKind({ kind, language, keep, export: name, certificate }: ModuleRegistration): void {
  if (language !== undefined && kind !== 'js') {
    throw invalid(`a module of kind ${kind} has no language`, 'leave language out');
  }
  if (certificate !== undefined && kind !== 'wasm') {
    throw invalid(`a module of kind ${kind} has no certificate`, 'leave certificate out');
  }
  if (kind !== 'command') return;
  if (keep !== undefined && keep !== 'nothing') {
    throw invalid('nothing stays of a command', 'leave keep out');
  }
  if (name !== undefined) throw invalid('a command exports nothing', 'leave export out');
}

type CodeOf = Pick<ModuleRegistration, 'kind' | 'code'>;

function bytesOf({ kind, code }: CodeOf, ceilings: Ceilings): Uint8Array {
  const bytes = kind === 'command' ? wordsOf(code) : kind === 'js' ? textOf(code) : wasmOf(code);
  if (bytes.length === 0) throw unusable('the code is empty', 'name what is to be executed');
  if (bytes.length <= ceilings.codeBytes) return bytes;
  throw new CaissonError('MODULE_TOO_LARGE', {
    layer: 'modules',
    message: `the code has ${bytes.length} bytes, and ${ceilings.codeBytes} are the most`,
    hint: 'minify it, or open the registry with a higher ceiling for codeBytes',
    details: { bytes: bytes.length, most: ceilings.codeBytes },
  });
}

function textOf(code: ModuleRegistration['code']): Uint8Array {
  const what = 'the code is not valid Unicode';
  if (typeof code === 'string') {
    if (code.isWellFormed()) return Buffer.from(code);
    throw unusable(what, 'look for a half of a surrogate pair');
  }
  if (!(code instanceof Uint8Array)) throw invalid('code: a js module is a text', '');
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(code);
  } catch {
    throw unusable(what, 'save it as UTF-8');
  }
  return Uint8Array.from(code);
}

function wasmOf(code: ModuleRegistration['code']): Uint8Array {
  if (code instanceof Uint8Array) return Uint8Array.from(code);
  const isBase64 = typeof code === 'string' && /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(code);
  if (isBase64) return Uint8Array.from(Buffer.from(code, 'base64'));
  throw invalid('code: a wasm module is bytes, or base64 of them', 'hand in the file as it is');
}

/** Kept as JSON, which is what its digest is of. */
function wordsOf(code: ModuleRegistration['code']): Uint8Array {
  const hint = "write the command as its argv: ['python3', '-c', '…']";
  if (!Array.isArray(code)) throw invalid('code: a command is a list of texts', hint);
  const words = code.map(String);
  if (words.length === 0 || words[0] === '') throw unusable('the command has no name', hint);
  if (words.length > WORDS_MAX) throw unusable(`the command has over ${WORDS_MAX} words`, hint);
  if (words.some((word) => word.includes('\0') || !word.isWellFormed())) {
    throw unusable('a word of the command has a NUL byte or is not valid Unicode', hint);
  }
  return Buffer.from(JSON.stringify(words));
}

function limitsOf(
  asked: NonNullable<ModuleRegistration['limits']>,
  ceilings: Ceilings,
): ModuleManifest['limits'] {
  const { timeoutMs = Math.min(DEFAULT_TIMEOUT_MS, ceilings.timeoutMs) } = asked;
  const { memoryBytes = Math.min(DEFAULT_MEMORY, ceilings.memoryBytes) } = asked;
  const cpuMs = asked.cpuMs ?? Math.min(DEFAULT_CPU_MS, timeoutMs);
  const above = [
    ...(timeoutMs > ceilings.timeoutMs
      ? [
          `limits.timeoutMs is ${formatDuration(timeoutMs)}, and ${formatDuration(ceilings.timeoutMs)} is the most`,
        ]
      : []),
    ...(cpuMs > timeoutMs ? ['limits.cpuMs is above limits.timeoutMs'] : []),
    ...(memoryBytes > ceilings.memoryBytes
      ? [
          `limits.memoryBytes is ${formatBytes(memoryBytes)}, and ${formatBytes(ceilings.memoryBytes)} is the most`,
        ]
      : []),
  ];
  if (above.length === 0) return { timeoutMs, cpuMs, memoryBytes };
  throw invalid(above.join('; '), 'ask for less, or open the registry with higher ceilings');
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'modules', message, hint });
}

function unusable(message: string, hint: string): CaissonError {
  return new CaissonError('MODULE_CODE_INVALID', { layer: 'modules', message, hint });
}
