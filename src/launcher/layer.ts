/**
 * What an overlay's upper directory holds (native/launcher/layer.h): whiteouts and opaque directories are marks in
 * extended attributes and device numbers, which Node cannot read.
 */
import { spawn } from 'node:child_process';
import { CaissonError } from '../core/error.ts';

export interface LayerEntry {
  /** `whiteout`: what lies below is deleted. `opaque`: a directory that hides everything below it. */
  readonly type: 'file' | 'directory' | 'link' | 'whiteout' | 'opaque' | 'special';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Relative to the upper directory; parents come before what they hold. */
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
const OUTPUT_MAX = 256 * 1024 * 1024;
/** Each entry is five texts, which each end with a zero: `parseLayer`. */
const FIELDS = 5;
/** As native/launcher/layer.c says it. */
const TOO_DEEP = 'a path deeper than PATH_MAX';

/**
 * Nothing more is read than may be told: the guest makes it as long as it likes.
 *
 * @param most entries
 * @throws TOO_LARGE: more entries, or a path that no program could name; LAUNCHER_FAILED
 */
export function readLayer(
  program: string,
  upper: string,
  most: number = MOST_ENTRIES,
): Promise<LayerEntry[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['layer', upper], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let fields = 0;
    let said = '';
    let isBeyond = false;
    child.stdout.on('data', (chunk: Buffer) => {
      if (isBeyond) return;
      chunks.push(chunk);
      bytes += chunk.length;
      for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, at + 1)) fields++;
      isBeyond = fields > most * FIELDS || bytes > OUTPUT_MAX;
      if (isBeyond) child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 4096);
    });
    child.once('error', (cause) => reject(listFailed(cause.message, cause)));
    child.once('close', (code, signal) => {
      if (isBeyond) reject(tooMany(most));
      else if (code === 0) resolve(parseLayer(Buffer.concat(chunks)));
      else if (said.includes(TOO_DEEP)) reject(tooDeep());
      else reject(listFailed(said.trim() || ended(code, signal)));
    });
  });
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

export function parseLayer(text: Buffer): LayerEntry[] {
  const entries: LayerEntry[] = [];
  let at = 0;
  const field = (): string => {
    const end = text.indexOf(0, at);
    if (end < 0) throw cutOff();
    const value = text.toString('utf8', at, end);
    at = end + 1;
    return value;
  };
  while (at < text.length) {
    const [type, mode, size, mtime, path] = [field(), field(), field(), field(), field()];
    if (text[at++] !== 0x0a) throw cutOff();
    const known = types[type];
    if (known === undefined) throw cutOff();
    entries.push({
      type: known,
      mode: Number.parseInt(mode, 8),
      size: Number(size),
      mtimeNs: BigInt(mtime),
      path,
    });
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function cutOff(): CaissonError {
  return new CaissonError('PROTOCOL_ERROR', {
    layer: 'launcher',
    message: 'the list of changes cannot be understood',
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
    hint: 'a fork needs GNU cp and room for a copy of the changes',
  });
}
