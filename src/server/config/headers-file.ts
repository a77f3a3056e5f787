/**
 * Headers of requests that the service makes, from a file, since they hold secrets.
 */
import { readFile } from 'node:fs/promises';
import { configInvalid } from './config.ts';

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const MOST_BYTES = 64 * 1024;

/**
 * `Name: value` lines; empty ones and those that begin with `#` are passed over (RFC 9110 section 5).
 *
 * @throws CONFIG_INVALID, which names file and line and never what stands there
 */
export async function readHeadersFile(path: string): Promise<Record<string, string>> {
  const text = await readText(path);
  const headers: Record<string, string> = {};
  for (const [i, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === '' || row.startsWith('#')) continue;
    const colon = row.indexOf(':');
    const [name, value] = [row.slice(0, Math.max(colon, 0)), row.slice(colon + 1).trim()];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they end a header, or the request.
    if (!NAME.test(name) || value === '' || /[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
      throw configInvalid([
        { path: '', source: path, line: i + 1, message: 'not a line of `Name: value`' },
      ]);
    }
    headers[name] = value;
  }
  return headers;
}

async function readText(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw configInvalid([{ path: '', source: path, message: `cannot be read: ${code}` }]);
  }
  if (text.length <= MOST_BYTES) return text;
  throw configInvalid([{ path: '', source: path, message: `larger than ${MOST_BYTES} bytes` }]);
}
