import { CaissonError } from '../../../core/error.ts';
import type { WasiLimits } from './limits.ts';

const encoder = new TextEncoder();

/** Arguments as the guest reads them: UTF-8, each ended by NUL. */
export function guestStrings(strings: readonly string[]): Uint8Array[] {
  return strings.map((string) => {
    check(string, 'an argument or a variable');
    return encoder.encode(`${string}\0`);
  });
}

/** Variables as the guest reads them, `NAME=value`. */
export function environmentStrings(env: Readonly<Record<string, string>>): Uint8Array[] {
  const names = Object.keys(env);
  const wrong = names.find((name) => name === '' || name.includes('='));
  if (wrong !== undefined) invalid(`${JSON.stringify(wrong)} cannot name a variable`);
  return guestStrings(names.map((name) => `${name}=${env[name]}`));
}

/** The path that a guest knows a preopened directory by. */
export function preopenPath(path: string, limits: WasiLimits): Uint8Array {
  check(path, 'the path of a preopened directory');
  const bytes = encoder.encode(path);
  if (bytes.length === 0 || bytes.length > limits.pathBytes) {
    invalid(`the path of a preopened directory has 1 to ${limits.pathBytes} bytes`);
  }
  return bytes;
}

function check(string: string, what: string): void {
  if (string.includes('\0') || !string.isWellFormed()) {
    invalid(`${what} is no text without NUL: ${JSON.stringify(string)}`);
  }
}

function invalid(message: string): never {
  throw new CaissonError('REQUEST_INVALID', { layer: 'backends', message });
}
