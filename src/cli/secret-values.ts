/**
 * Values of a policy's secrets among the variables that this process was started with: as bytes, read past the engine,
 * which would make a string of each that nobody can overwrite.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { plainMemory } from '../launcher/vault-channel.ts';
import type { Policy } from '../policy/policy.ts';

/** proc_pid_environ(5). */
const ENVIRONMENT = '/proc/self/environ';
const USUAL_BYTES = 64 * 1024;

export interface SecretValues extends Disposable {
  readonly names: readonly string[];
  /** Without those that are not set; overwritten when this is disposed of. */
  readonly values: Readonly<Record<string, Uint8Array>>;
}

export function secretValues({ network: { secrets = [] } }: Policy): SecretValues {
  const names = secrets.map(({ name }) => name);
  const values: Record<string, Buffer> = {};
  if (names.length > 0) {
    const variables = readAll(ENVIRONMENT);
    for (const name of names) {
      const value = valueIn(variables, name);
      if (value !== undefined) values[name] = value;
    }
    variables.fill(0);
  }
  return {
    names,
    values,
    [Symbol.dispose]: () => {
      for (const value of Object.values(values)) value.fill(0);
    },
  };
}

function valueIn(variables: Buffer, name: string): Buffer | undefined {
  const wanted = Buffer.from(`${name}=`);
  for (let at = 0; at < variables.length; ) {
    const found = variables.indexOf(0, at);
    const end = found < 0 ? variables.length : found;
    if (variables.subarray(at, at + wanted.length).equals(wanted)) {
      const value = plainMemory(end - at - wanted.length);
      variables.copy(value, 0, at + wanted.length, end);
      return value;
    }
    at = end + 1;
  }
  return undefined;
}

/** Of a file that does not say how long it is; the caller overwrites it. */
function readAll(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    for (let size = USUAL_BYTES; ; size *= 2) {
      const bytes = plainMemory(size);
      let length = 0;
      for (let got = 1; got > 0 && length < size; length += got) {
        got = readSync(file, bytes, length, size - length, length);
      }
      if (length < size) return bytes.subarray(0, length);
      bytes.fill(0);
    }
  } finally {
    closeSync(file);
  }
}
