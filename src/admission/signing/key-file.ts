/** Keys in files: private ones that their owner alone can read, made and read, and public ones. */
import { generateKeyPairSync } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { keyIdOf } from './ed25519.ts';
import { keyInvalid } from './problem.ts';

const OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const TEXT_MAX = 16 * 1024;

export interface NewKey {
  /** Path of the private key, PEM (PKCS #8), mode 0600. */
  readonly privateKey: string;
  /** Path of the public key, PEM (SPKI). */
  readonly publicKey: string;
  readonly keyId: string;
}

/**
 * Makes a pair of keys, `NAME.key` and `NAME.pub`. Neither may be there.
 *
 * @param directory that is there, and nobody else's to write
 * @param passphrase encrypts the private key (PBES2, AES-256-CBC); default: it is not encrypted
 * @throws KEY_INVALID
 */
export function generateKeyFiles(directory: string, name: string, passphrase?: string): NewKey {
  checkDirectory(directory);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  const paths = {
    privateKey: join(directory, `${name}.key`),
    publicKey: join(directory, `${name}.pub`),
  };
  makeFile(paths.privateKey, privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }), 0o600);
  try {
    makeFile(paths.publicKey, publicKey.export({ type: 'spki', format: 'pem' }), 0o644);
  } catch (error) {
    rmSync(paths.privateKey, { force: true });
    throw error;
  }
  return { ...paths, keyId: keyIdOf(publicKey) };
}

/** The text of a private key's file. @throws KEY_INVALID where others can read it */
export function readPrivateKeyFile(path: string): string {
  return readKeyFile(path, (mode) => {
    if ((mode & OTHERS) === 0) return;
    throw keyInvalid(`${path} is not used: others may read or write it`, `chmod 600 ${path}`);
  });
}

/** The text of a public key's file. @throws KEY_INVALID */
export function readPublicKeyFile(path: string): string {
  return readKeyFile(path, () => {});
}

function readKeyFile(path: string, check: (mode: number) => void): string {
  let file: number;
  try {
    // A FIFO would keep us waiting.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw keyInvalid(
      `${path} cannot be read: ${code}`,
      'caisson keys generate DIRECTORY makes a key',
      cause,
    );
  }
  try {
    // Of the file that is open, so that it is the one that is read.
    const stats = fstatSync(file);
    if (!stats.isFile()) throw keyInvalid(`${path} is no file`, 'name the file of a key');
    if (stats.size > TEXT_MAX)
      throw keyInvalid(`${path} is too large for a key`, 'name the file of a key');
    check(stats.mode);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function checkDirectory(directory: string): void {
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) {
    throw keyInvalid(`${directory} is no directory`, `mkdir -m 700 ${directory}`);
  }
  const isSafe =
    (stats.mode & WRITABLE_BY_OTHERS) === 0 && [0, process.geteuid?.()].includes(stats.uid);
  if (!isSafe)
    throw keyInvalid(
      `others may change ${directory}`,
      `chmod go-w ${directory}, or name a directory of yours`,
    );
}

function makeFile(path: string, text: string | Buffer, mode: number): void {
  let file: number;
  try {
    file = openSync(path, 'wx', mode);
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw keyInvalid(
      isThere ? `${path} is there already` : `${path} cannot be made: ${(cause as Error).message}`,
      isThere ? 'give the new key another --name' : 'name a directory of yours',
      cause,
    );
  }
  try {
    writeSync(file, String(text));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
