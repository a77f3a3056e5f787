/**
 * The adapter that makes a component of a preview-1 command: jco's package carries it, and is fetched by npm into build/
 * for that one file, since its own dependencies are a tool chain.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PACKAGE = '@bytecodealliance/jco@1.35.0';
const FILE = 'package/lib/wasi_snapshot_preview1.command.wasm';
const SHA256 = '2a652d711c1fff34f9d5a0e073e50ef7eeb8fe7d8a6d559eae643a4c049a7b94';
const directory = join(import.meta.dirname, '../../../../build/components');
const path = join(directory, 'wasi_snapshot_preview1.command.wasm');

/** Its bytes; undefined where npm cannot fetch it. */
export function commandAdapter(): Uint8Array | undefined {
  if (!existsSync(path) && !fetchAdapter()) return undefined;
  const bytes = readFileSync(path);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== SHA256) throw new Error(`${path} is another file than ${PACKAGE} has`);
  return bytes;
}

function fetchAdapter(): boolean {
  const into = mkdtempSync(join(tmpdir(), 'caisson-adapter-'));
  try {
    const pack = ['pack', '--silent', '--pack-destination', into, PACKAGE];
    if (spawnSync('npm', pack, { timeout: 60_000 }).status !== 0) return false;
    const archive = join(into, 'bytecodealliance-jco-1.35.0.tgz');
    if (spawnSync('tar', ['-xzf', archive, '-C', into, FILE]).status !== 0) return false;
    mkdirSync(directory, { recursive: true });
    renameSync(join(into, FILE), `${path}.${process.pid}`);
    renameSync(`${path}.${process.pid}`, path);
    return true;
  } finally {
    rmSync(into, { recursive: true });
  }
}
