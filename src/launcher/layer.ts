/**
 * What an overlay's upper directory holds (native/launcher/layer.h): whiteouts and opaque directories are marks in
 * extended attributes and device numbers, which Node cannot read.
 */
import { execFile, spawn } from 'node:child_process';
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

/** More than any honest change; a guest that makes more files than that is told so. */
const OUTPUT_MAX = 256 * 1024 * 1024;

/** @throws LAUNCHER_FAILED */
export function readLayer(program: string, upper: string): Promise<LayerEntry[]> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      ['layer', upper],
      { encoding: 'buffer', env: {}, maxBuffer: OUTPUT_MAX },
      (error, stdout, stderr) => {
        if (error === null) resolve(parseLayer(stdout));
        else {
          reject(
            new CaissonError('LAUNCHER_FAILED', {
              layer: 'launcher',
              message: `the changes cannot be listed: ${stderr.toString().trim() || error.message}`,
              cause: error,
            }),
          );
        }
      },
    );
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
export function copyLayer(from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('cp', ['-a', '--reflink=auto', '-T', '--', from, to], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 4096);
    });
    child.once('error', (cause) => reject(copyFailed(cause.message)));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(copyFailed(said.trim()));
    });
  });
}

function copyFailed(reason: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'launcher',
    message: `the changes cannot be copied: ${reason}`,
    hint: 'a fork needs GNU cp and room for a copy of the changes',
  });
}
