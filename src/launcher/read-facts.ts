/**
 * What the launcher finds on this host, without being asked over its protocol: one that cannot make namespaces ends before
 * it answers anything, and `probe` says why.
 */
import { spawn } from 'node:child_process';
import { CaissonError } from '../core/error.ts';
import { decodeFacts, type LauncherFacts } from './protocol/decode-facts.ts';

const OUTPUT_MAX = 64 * 1024;
const TIMEOUT_MS = 30_000;

/** @throws LAUNCHER_FAILED with what it said last */
export function readFacts(program: string): Promise<LauncherFacts> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['probe'], {
      env: {},
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const impatient = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    impatient.unref();
    const chunks: Buffer[] = [];
    let bytes = 0;
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= OUTPUT_MAX) chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4096);
    });
    child.once('error', (cause) => reject(failed(cause.message, cause)));
    child.once('close', (code, signal) => {
      clearTimeout(impatient);
      if (code !== 0) {
        reject(failed(said.trim().replace(/^caisson-launcher: /, '') || `${signal ?? code}`));
        return;
      }
      try {
        resolve(decodeFacts(Buffer.concat(chunks)));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function failed(said: string, cause?: unknown): CaissonError {
  return new CaissonError('LAUNCHER_FAILED', {
    layer: 'launcher',
    message: `the launcher cannot look at this host: ${said}`,
    hint: 'it needs /proc, /sys and /dev as Linux has them: docs/troubleshooting.md',
    ...(cause === undefined ? {} : { cause }),
  });
}
