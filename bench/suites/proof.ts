/** How fast a certificate is checked, by megabytes of the module that it is about. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkProof } from '../../src/admission/proof/check-proof.ts';
import { prove } from '../../src/admission/proof/prover/prove.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const proof: Suite = { name: 'proof', run };

/** Programs in C with the whole of their C library, and one without. */
const PROGRAMS = ['library', 'compress', 'sha256'];
const MB = 1e6;

async function run(bench: Bench): Promise<SuiteResult> {
  const rounds = bench.quick ? 30 : 300;
  const rows = PROGRAMS.map((name) => {
    const { module, certificate } = prove(compile(bench.directory, name));
    // The first rounds are the engine's, to compile what is hot.
    for (let i = 0; i < 30; i++) checkProof(module, certificate);
    const times = Array.from({ length: rounds }, () => {
      const began = performance.now();
      const checked = checkProof(module, certificate);
      const ms = performance.now() - began;
      if (!checked.ok) throw new Error(`${name}: ${checked.obligation}: ${checked.message}`);
      return ms;
    });
    const { median: ms } = summarize(times);
    return {
      name,
      bytes: module.length,
      code: certificate.length,
      ms,
      speed: module.length / MB / (ms / 1000),
    };
  });
  return {
    title: 'Proofs of WebAssembly',
    method: `checkProof on modules from clang -O2, ${rounds} times each in one process; medians. Digest, certificate, all code, and the engine's own validation.`,
    table: {
      columns: ['module', 'bytes', 'certificate, bytes', 'check, ms', 'MB/s'],
      rows: rows.map(({ name, bytes, code, ms, speed }) => [
        name,
        `${bytes}`,
        `${code}`,
        round(ms),
        speed.toFixed(1),
      ]),
    },
    targets: [
      {
        name: 'proof check, slowest module',
        measured: Math.min(...rows.map(({ speed }) => speed)),
        sense: '≥',
        limit: 3,
        unit: 'MB/s',
      },
    ],
  };
}

/** @throws Error naming the Debian packages when the compiler is missing */
function compile(directory: string, name: string): Uint8Array {
  const output = join(directory, `${name}.wasm`);
  const source = join(import.meta.dirname, `../../test/admission/proof/programs/${name}.c`);
  const flags =
    name === 'library'
      ? ['--target=wasm32-wasi']
      : [
          '--target=wasm32',
          '-ffreestanding',
          '-nostdlib',
          '-Wl,--no-entry',
          '-Wl,--export-dynamic',
          '-fvisibility=default',
        ];
  try {
    // clang hands its output to a wasm-opt that it finds by PATH, and one of our packages brings one.
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
    execFileSync('clang', [...flags, '-O2', '-o', output, source], { stdio: 'pipe', env });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('clang is missing: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32');
  }
  return new Uint8Array(readFileSync(output));
}
