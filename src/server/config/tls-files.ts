/** The certificate and the key that a service shows itself with. */
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { CaissonError } from '../../core/error.ts';
import type { Config } from './config-schema.ts';

const OTHERS = 0o077;

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** @throws CONFIG_INVALID: not there, not PEM, not of each other, encrypted, or a key that others may read */
export async function readTls(files: NonNullable<Config['listen']['tls']>): Promise<TlsPair> {
  const { certFile, keyFile } = files;
  const cert = await read('certFile', certFile);
  const key = await read('keyFile', keyFile);
  if (((await stat(keyFile)).mode & OTHERS) !== 0) {
    throw invalid(
      `listen.tls.keyFile: ${keyFile}: others may read it`,
      `chmod 600 ${keyFile}, and see to it that it belongs to the user that the service runs as`,
    );
  }
  for (const [name, part] of [
    ['certFile', { cert }],
    ['keyFile', { key }],
  ] as const) {
    try {
      createSecureContext(part);
    } catch (cause) {
      const path = files[name];
      throw invalid(
        `listen.tls.${name}: ${path}: ${name === 'certFile' ? 'no certificate' : 'no private key without a passphrase'} in PEM`,
        name === 'certFile'
          ? 'the first lines are -----BEGIN CERTIFICATE----- and base64'
          : 'the first line is -----BEGIN PRIVATE KEY-----; openssl pkey -in FILE -out OTHER takes a passphrase off',
        cause,
      );
    }
  }
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw invalid(
      `listen.tls: the key ${keyFile} is not that of the certificate ${certFile}`,
      'name the two that were made together; of a chain, the service’s own certificate comes first',
      cause,
    );
  }
  return { cert, key };
}

async function read(name: 'certFile' | 'keyFile', path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why: Readonly<Record<string, string>> = {
      ENOENT: 'it is not there',
      EACCES: 'this user may not read it',
    };
    throw invalid(
      `listen.tls.${name}: ${path}: ${(code && why[code]) ?? `cannot be read: ${code}`}`,
      'name two files in PEM that the user of the service may read',
      cause,
    );
  }
}

function invalid(message: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('CONFIG_INVALID', {
    layer: 'server',
    message,
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}
