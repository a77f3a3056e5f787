/**
 * The Ed25519 key that signs checkpoints: a PEM file (PKCS #8) that its owner alone can read, made at first use, and
 * beside it `.pub` (SPKI) for whoever verifies. RFC 8032, RFC 8410.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CaissonError } from '../../core/error.ts';

const OTHERS = 0o077;

/** @throws AUDIT_UNAVAILABLE where it can not be read or made, or others can read it */
export function openSigningKey(path: string): KeyObject {
  const known = readPrivate(path);
  if (known !== undefined) return known;
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  if (!makeFile(path, String(pem), 0o600)) return openSigningKey(path);
  makeFile(`${path}.pub`, String(publicKey.export({ type: 'spki', format: 'pem' })), 0o644);
  return privateKey;
}

/** A public key, or the public half of a private one. @throws REQUEST_INVALID */
export function readPublicKey(path: string): KeyObject {
  try {
    const key = createPublicKey(readFileSync(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
    throw new Error(`it is a key for ${key.asymmetricKeyType}`);
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'observe',
      message: `${path} holds no public key of Ed25519: ${reason(cause)}`,
      hint: 'name the .pub file that was made beside the key of the log',
      cause,
    });
  }
}

/** SHA-256 of the key as SPKI, in hexadecimal: how a log names the key that signs it. */
export function keyFingerprint(key: KeyObject): string {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(half.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

function readPrivate(path: string): KeyObject | undefined {
  try {
    const { mode } = statSync(path);
    if ((mode & OTHERS) !== 0) throw new Error('others may read or write it: chmod 600');
    const key = createPrivateKey(readFileSync(path));
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('it is no key of Ed25519');
    return key;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(path, cause);
  }
}

/** Appears whole or not at all. @returns false where it is there already */
function makeFile(path: string, text: string, mode: number): boolean {
  const draft = `${path}.${process.pid}.new`;
  try {
    rmSync(draft, { force: true });
    const file = openSync(draft, 'wx', mode);
    writeSync(file, text);
    fsyncSync(file);
    closeSync(file);
    linkSync(draft, path);
    const directory = openSync(dirname(path), 'r');
    fsyncSync(directory);
    closeSync(directory);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw unusable(path, cause);
  } finally {
    rmSync(draft, { force: true });
  }
}

function unusable(path: string, cause: unknown): CaissonError {
  return new CaissonError('AUDIT_UNAVAILABLE', {
    layer: 'observe',
    message: `the key of the audit log, ${path}, cannot be used: ${reason(cause)}`,
    hint: 'give a PEM file of an Ed25519 key with mode 0600, or a path where one can be made',
    cause,
  });
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
