/**
 * Runs the preview 1 modules of WebAssembly/wasi-testsuite on our WASI host, and says which pass.
 *
 *   node scripts/wasi-testsuite.ts DIRECTORY [--unix] [--json]
 *
 * DIRECTORY is a checkout that holds compiled modules (the project's branch prod/testsuite-base), or any directory
 * of `.wasm` files with a `.json` beside each that needs one, as that project's doc/specification.md describes it:
 * args, env, root, exit_code, stdout, stderr. Modules for other versions of WASI are left out and counted.
 * The modules in Rust let pass whichever errors some system answers with; with --unix they insist on those of Linux.
 * Exits with 1 when a module fails, and with 2 when there is none.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { engine } from '../src/backends/wasm/engine.ts';
import { systemClock } from '../src/backends/wasm/wasi/clock.ts';
import { systemRandom } from '../src/backends/wasm/wasi/random-source.ts';
import { WasiHost } from '../src/backends/wasm/wasi/wasi-host.ts';
import { readDirectory } from './read-wasi-directory.ts';

export interface ModuleResult {
  readonly name: string;
  readonly passed: boolean;
  /** Why not. */
  readonly reason?: string;
}

interface Specification {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly root?: string;
  readonly exit_code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

const VERSION = 'wasm32-wasip1';

/** Runs what is found below a directory, in the order of names. */
export function runTestSuite(
  root: string,
  unix = false,
): { results: ModuleResult[]; leftOut: number } {
  const found = globSync('**/*.wasm', { cwd: root }).sort();
  const modules = found.filter((path) => isPreview1(join(root, dirname(path))));
  const results = modules.map((path) => runModule(join(root, path), path, unix));
  return { results, leftOut: found.length - modules.length };
}

function isPreview1(directory: string): boolean {
  const manifest = join(directory, 'manifest.json');
  if (!existsSync(manifest)) return true;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string };
  return version === undefined || version === VERSION;
}

function runModule(path: string, name: string, unix: boolean): ModuleResult {
  const described = path.replace(/\.wasm$/, '.json');
  const specification: Specification = existsSync(described)
    ? (JSON.parse(readFileSync(described, 'utf8')) as Specification)
    : {};
  const { args = [], env = {}, root, exit_code: expected = 0 } = specification;
  const output = { stdout: '', stderr: '' };
  const sink = (stream: keyof typeof output) => {
    const decoder = new TextDecoder();
    return {
      sink: (bytes: Uint8Array) => {
        output[stream] += decoder.decode(bytes);
      },
    };
  };
  const host = new WasiHost({
    args: [basename(path), ...args],
    // Asked for by the modules in Rust alone; others compare their whole environment.
    env: unix && name.includes('rust') ? { ...env, ERRNO_MODE_UNIX: '1' } : env,
    clock: systemClock(),
    random: systemRandom,
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    preopens: root
      ? [{ path: '/', directory: readDirectory(join(dirname(path), root), true) }]
      : [],
  });
  const failed = (reason: string): ModuleResult => ({ name, passed: false, reason });
  try {
    const module = new engine.Module(readFileSync(path));
    const exit = host.start(new engine.Instance(module, host.imports));
    if (exit.kind !== 'exited' || exit.code !== expected) {
      return failed(`ended with ${JSON.stringify(exit)}, not code ${expected}: ${output.stderr}`);
    }
  } catch (error) {
    return failed(`${String(error)}: ${output.stderr}`);
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const wanted = specification[stream];
    if (wanted !== undefined && wanted !== output[stream]) {
      return failed(`${stream} was ${JSON.stringify(output[stream])}`);
    }
  }
  if (host.faults.length > 0) return failed(`the host failed: ${String(host.faults[0])}`);
  return { name, passed: true };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { unix: { type: 'boolean' }, json: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [root] = positionals;
  if (root === undefined) {
    process.stderr.write('usage: node scripts/wasi-testsuite.ts DIRECTORY [--unix] [--json]\n');
    process.exit(64);
  }
  const { results, leftOut } = runTestSuite(root, values.unix);
  const passed = results.filter((result) => result.passed).length;
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ passed, of: results.length, leftOut, results }, null, 2)}\n`,
    );
  } else {
    for (const { name, passed: ok, reason } of results) {
      process.stdout.write(
        `${ok ? 'ok  ' : 'FAIL'}  ${name}${reason ? `\n      ${reason.trim()}` : ''}\n`,
      );
    }
    process.stdout.write(
      `${passed} of ${results.length} pass; ${leftOut} are for other versions\n`,
    );
  }
  process.exitCode = results.length === 0 ? 2 : passed === results.length ? 0 : 1;
}
