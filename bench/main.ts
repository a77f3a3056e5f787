/**
 * The benchmark: `npm run bench -- [--quick] [--json] [SUITE…]`
 *
 * Without names, every suite. A full run (not `--quick`) records what it measured in docs/benchmark.json and renders
 * docs/benchmark.md and docs/benchmark.svg from it; suites that were not run keep what was recorded before.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { commandLine, misused } from '../scripts/command-line.ts';
import { compileSeccomp } from '../src/plan/seccomp/compile.ts';
import { describeMachine } from './machine.ts';
import { manager } from './manager.ts';
import { renderBars } from './plot.ts';
import { buildPrograms } from './programs.ts';
import {
  type Recorded,
  renderDocument,
  renderMachine,
  renderSuite,
  renderTargets,
} from './report.ts';
import type { Bench, Suite } from './suite.ts';
import { audit } from './suites/audit.ts';
import { burst } from './suites/burst.ts';
import { changes } from './suites/changes.ts';
import { cli } from './suites/cli.ts';
import { filtered } from './suites/filtered.ts';
import { isolate } from './suites/isolate.ts';
import { learn } from './suites/learn.ts';
import { modules } from './suites/modules.ts';
import { monitor } from './suites/monitor.ts';
import { network } from './suites/network.ts';
import { proof } from './suites/proof.ts';
import { seccomp } from './suites/seccomp.ts';
import { service } from './suites/service.ts';
import { serviceRuns } from './suites/service-runs.ts';
import { serviceStreams } from './suites/service-streams.ts';
import { sideChannels } from './suites/side-channels.ts';
import { signing } from './suites/signing.ts';
import { slots } from './suites/slots.ts';
import { soak } from './suites/soak.ts';
import { spaced } from './suites/spaced.ts';
import { telemetry } from './suites/telemetry.ts';
import { threat } from './suites/threat.ts';
import { wasm } from './suites/wasm.ts';
import { wasmFuel } from './suites/wasm-fuel.ts';

const SUITES: readonly Suite[] = [
  spaced,
  burst,
  seccomp,
  cli,
  learn,
  network,
  filtered,
  slots,
  manager,
  monitor,
  telemetry,
  soak,
  audit,
  service,
  serviceRuns,
  serviceStreams,
  sideChannels,
  isolate,
  wasm,
  wasmFuel,
  proof,
  modules,
  threat,
  changes,
  signing,
];
const REPOSITORY = join(import.meta.dirname, '..');
const DOCS = join(REPOSITORY, 'docs');

const USAGE = `Usage: npm run bench -- [--quick] [--json] [SUITE…]

  --quick  Fewer samples, and nothing is recorded in docs/
  --json   Print the results as one JSON document
  --help   Show this

Suites (default: all):
  ${SUITES.map(({ name }) => name).join(' ')}
`;
const { options, names } = asked();
await main(SUITES.filter(({ name }) => names.length === 0 || names.includes(name)));

/** Ends this process where there is nothing to measure. */
function asked(): { options: { quick: boolean; json: boolean }; names: readonly string[] } {
  const { values, positionals } = commandLine(
    USAGE,
    { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    true,
  );
  const unknown = positionals.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) misused(USAGE, `no such suite: ${unknown.join(', ')}`);
  return { options: values, names: positionals };
}

async function main(suites: readonly Suite[]): Promise<void> {
  const machine = describeMachine();
  const print = (text: string): boolean =>
    options.json ? true : process.stdout.write(`${text}\n`);
  print(`${renderMachine(machine)}\n`);
  const [load = 0] = loadavg();
  if (load > 0.5)
    process.stderr.write(
      `the machine is busy (load ${load.toFixed(1)}): figures will be worse than they are\n`,
    );
  const directory = makeDirectory();
  const results: [name: string, Recorded][] = [];
  try {
    const bench = openBench(directory);
    for (const suite of suites) {
      const started = performance.now();
      const result = await suite.run(bench);
      const command = `npm run bench -- ${suite.name}`;
      const measuredOn = new Date().toISOString().slice(0, 10);
      results.push([suite.name, { ...result, measuredOn, command, machine }]);
      print(renderSuite(result));
      bench.note(`${suite.name} took ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  print(renderTargets(results.map(([, result]) => result)));
  if (options.json)
    process.stdout.write(`${JSON.stringify(Object.fromEntries(results), null, 2)}\n`);
  if (!options.quick) record(results);
}

/** Below the repository and not in /tmp, which several contestants replace by a private one. */
function makeDirectory(): string {
  mkdirSync(join(REPOSITORY, 'build'), { recursive: true });
  const directory = mkdtempSync(join(REPOSITORY, 'build', 'bench-'));
  chmodSync(directory, 0o755);
  return directory;
}

function openBench(directory: string): Bench {
  const programDirectory = join(directory, 'programs');
  mkdirSync(programDirectory);
  const seccomp = join(directory, 'default.bpf');
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  writeFileSync(seccomp, compileSeccomp({ arch, preset: 'default' }));
  return {
    quick: options.quick,
    directory,
    programs: buildPrograms(programDirectory),
    programDirectory,
    seccomp,
    note: (line) => process.stderr.write(`${line}\n`),
  };
}

function record(results: readonly (readonly [name: string, Recorded])[]): void {
  const file = join(DOCS, 'benchmark.json');
  const before: Record<string, Recorded> = existsSync(file)
    ? JSON.parse(readFileSync(file, 'utf8'))
    : {};
  const merged = { ...before, ...Object.fromEntries(results) };
  const ordered = SUITES.flatMap(({ name }) => merged[name] ?? []);
  mkdirSync(DOCS, { recursive: true });
  writeFileSync(file, `${JSON.stringify(merged, null, 2)}\n`);
  writeFileSync(join(DOCS, 'benchmark.md'), renderDocument(ordered));
  const bars = ordered.flatMap((result) => result.bars ?? []);
  if (bars.length > 0)
    writeFileSync(
      join(DOCS, 'benchmark.svg'),
      renderBars('One run of an empty program: median time', 'ms', bars),
    );
}
