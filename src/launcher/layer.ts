/**
 * What an overlay's upper directory holds (native/launcher/layer.h): whiteouts and opaque directories are marks in
 * extended attributes and device numbers, which Node cannot read.
 */
import { spawn } from 'node:child_process';
import { CaissonError } from '../core/error.ts';

export interface LayerEntry {
  /**
   * `whiteout`: what lies below is deleted. `opaque`: a directory that hides everything below it. `special` is also whatever
   * has a name that is no text.
   */
  readonly type: 'file' | 'directory' | 'link' | 'whiteout' | 'opaque' | 'special';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** Relative to the upper directory. */
  readonly path: string;
}

const types: Readonly<Record<string, LayerEntry['type']>> = {
  f: 'file',
  d: 'directory',
  l: 'link',
  w: 'whiteout',
  o: 'opaque',
  s: 'special',
};

/** More than any honest change; a guest that makes more than that is told so. */
export const MOST_ENTRIES = 1_000_000;
/** Each entry is five texts, which each end with a zero: `parseEntries`. */
const FIELDS = 5;
const NEWLINE = 0x0a;
/** As native/launcher/layer.c says it. */
const TOO_DEEP = 'a path deeper than PATH_MAX';

/**
 * What the directory holds, in the order of `comparePaths`, some at a time: no more is read than whoever asks takes.
 *
 * @param program path of the launcher's program
 * @param after of what comes no later only directories are told that lead to something later, or hold it
 * @throws TOO_LARGE: a path that no program could name; LAUNCHER_FAILED
 */
export async function* layerEntries(
  program: string,
  upper: string,
  after?: string,
): AsyncGenerator<LayerEntry[], void> {
  const args = ['layer', upper, ...(after === undefined ? [] : [after])];
  const child = spawn(program, args, { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(0, 4096);
  });
  const closed = new Promise<CaissonError | undefined>((resolve) => {
    child.once('error', (cause) => resolve(listFailed(cause.message, cause)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else if (said.includes(TOO_DEEP)) resolve(tooDeep());
      else resolve(listFailed(said.trim() || ended(code, signal)));
    });
  });
  try {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const { entries, length } = parseEntries(text);
      rest = text.subarray(length);
      if (entries.length > 0) yield entries;
    }
    const failure = await closed;
    if (failure !== undefined) throw failure;
    if (rest.length > 0) throw cutOff();
  } finally {
    child.kill('SIGKILL');
  }
}

/** @returns TOO_LARGE, to be thrown */
export function tooMany(most: number): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'launcher',
    message: `more was changed than can be listed: the most is ${most} entries`,
    hint: `${INSTEAD}, or remove inside what nobody needs`,
    details: { most },
  });
}

function tooDeep(): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'launcher',
    message: 'what was changed holds a path of more than 4096 bytes',
    hint: `${INSTEAD}, or remove that path inside`,
  });
}

const INSTEAD = 'read the files that matter one by one';

function listFailed(reason: string, cause?: unknown): CaissonError {
  return new CaissonError('LAUNCHER_FAILED', {
    layer: 'launcher',
    message: `the changes cannot be listed: ${reason}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** @returns those that are whole, and how many bytes they take */
export function parseEntries(text: Buffer): { entries: LayerEntry[]; length: number } {
  const entries: LayerEntry[] = [];
  const ends: number[] = [];
  let start = 0;
  for (let end = text.indexOf(0); end >= 0; end = text.indexOf(0, end + 1)) {
    if (ends.push(end) < FIELDS) continue;
    if (end + 1 === text.length) break;
    if (text[end + 1] !== NEWLINE) throw cutOff();
    const [type = 0, mode = 0, size = 0, mtime = 0] = ends;
    const known = types[text.toString('latin1', start, type)];
    if (known === undefined) throw cutOff();
    entries.push({
      type: known,
      mode: Number.parseInt(text.toString('latin1', type + 1, mode), 8),
      size: Number(text.toString('latin1', mode + 1, size)),
      path: text.toString('utf8', mtime + 1, end),
    });
    ends.length = 0;
    start = end + 2;
  }
  return { entries, length: start };
}

function cutOff(): CaissonError {
  return new CaissonError('PROTOCOL_ERROR', {
    layer: 'launcher',
    message: 'the list of changes cannot be understood',
  });
}

/** Copies a file and its holes, which another copy would fill. Both are open, and regular. */
export function copySparse(from: number, to: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const args = ['--sparse=always', '--reflink=auto', '--', '/dev/fd/3', '/dev/fd/4'];
    const child = spawn('cp', args, { stdio: ['ignore', 'ignore', 'pipe', from, to] });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 4096);
    });
    child.once('error', (cause) => reject(copyFailed(cause.message)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(copyFailed(said.trim() || ended(code, signal)));
    });
  });
}

/** Copies a layer with its whiteouts and attributes (cp -a keeps devices 0:0 and user.* attributes). */
export function copyLayer(from: string, to: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('cp', ['-a', '--reflink=auto', '-T', '--', from, to], {
      stdio: ['ignore', 'ignore', 'pipe'],
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 4096);
    });
    // It writes as long as it runs: nothing that it made is removed before it has ended.
    let broken: string | undefined;
    child.on('error', (cause) => {
      broken = cause.message;
      if (child.pid === undefined) reject(copyFailed(broken));
    });
    child.once('close', (code, signal) => {
      if (code === 0 && broken === undefined) resolve();
      else reject(copyFailed(broken ?? (said.trim() || ended(code, signal))));
    });
  });
}

/** Of a program that said nothing. */
function ended(code: number | null, signal: string | null): string {
  return signal === null ? `its program exited with ${code}` : `its program was ended by ${signal}`;
}

function copyFailed(reason: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'launcher',
    message: `the changes cannot be copied: ${reason}`,
    hint: 'it needs GNU cp and room for a copy of the changes',
  });
}
