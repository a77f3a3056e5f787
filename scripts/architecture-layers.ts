/**
 * Writes the table of layers into ARCHITECTURE.md: order and rules from layers.json, and a sentence for each layer that
 * exists. test/docs/architecture.test.ts says when it has to be run again.
 *
 *   node scripts/architecture-layers.ts
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Layers } from './lint-layers.ts';

/** What each layer holds. A layer that gets its first file needs a sentence here. */
const holds: Readonly<Record<string, string>> = {
  core: 'errors and their codes, the outcome, units, ids, ports',
  wasm: 'WebAssembly modules: decoded, inspected, rewritten (limits, fuel, stack, floats), encoded',
  policy: 'the schema, levels, profiles, the sets and the order on them, the digest',
  plan: 'from a policy and the facts of a host to a plan: wall, mounts, system call filter, Landlock, capabilities, cgroups, limits; what enforces what',
  store:
    'the one place that opens a database: what is remembered of managed sandboxes, registered modules, findings over time',
  launcher: 'the one door to native code: where the launcher is, the protocol, the client',
  host: 'the facts of this machine, what is missing and what cures it, toolchains',
  observe:
    'what happened: `audit/`, the log, its chain, its verification; `monitor/`, live usage and its thresholds',
  admission:
    'whether code may run: `threat/` reads it, `signing/` says who vouches for it, `proof/` checks what it cannot exceed; `scan/` and `archive/` find code in files, directories and packages',
  network:
    'the egress proxy, a process of its own, and the resolver; `intercept/`: requests inside TLS, secrets',
  backends:
    'a folder for each wall that carries plans out, behind the interface in `backend.ts`: `process`, `child`, `isolate` and `wasm`',
  sandbox:
    'runs, sandboxes that stay, guest processes, shell, files, overlays and their changes; `manager/`: many at once under one pool',
  modules: 'registered modules: checked once, executed often, with counts of their executions',
  learn: 'from a traced run to the smallest policy for it; what a policy allows and was not used',
  functions:
    'JavaScript functions as programs: their source, what they capture, calls of them; sources of other languages',
  compose: 'wires it all into a `Caisson`',
  standalone: 'functions that open a `Caisson` of their own',
  index: 'the public library',
  api: 'the service over the wire: each route declared once, the shapes of what it takes and answers, the OpenAPI document',
  client: 'the library’s shape over HTTP: `caisson/client`',
  server:
    'the service: `http/`, what holds for every route; `routes/`, a file for each resource; `security/`, who may do what; `config/`',
  mcp: 'the Model Context Protocol: a file for each tool',
  cli: 'the command line: a file for each command',
};

const BEGIN = '<!-- layers: made by scripts/architecture-layers.ts -->';
const END = '<!-- /layers -->';

const repository = resolve(import.meta.dirname, '..');
const page = join(repository, 'ARCHITECTURE.md');

/** @throws Error for a layer without a sentence */
export function layersTable(): string {
  const layers = JSON.parse(readFileSync(join(repository, 'layers.json'), 'utf8')) as Layers;
  const rows = layers.order.flat().flatMap((name) => {
    const where = placeOf(join(repository, layers.root), name);
    if (where === undefined) return [];
    const sentence = holds[name];
    if (sentence === undefined)
      throw new Error(`scripts/architecture-layers.ts: say what ${name} holds`);
    return [`| \`${layers.root}/${where}\` | ${sentence} | ${rulesOf(name, layers)} |`];
  });
  return ['| layer | holds | rules beside the order |', '|---|---|---|', ...rows].join('\n');
}

function placeOf(root: string, name: string): string | undefined {
  if (existsSync(join(root, name))) return `${name}/`;
  return existsSync(join(root, `${name}.ts`)) ? `${name}.ts` : undefined;
}

function rulesOf(name: string, layers: Layers): string {
  const packages = layers.onlyPackages[name];
  return [
    ...(layers.pure.includes(name) ? ['pure: no Node, clock, environment or randomness'] : []),
    ...(packages === undefined ? [] : [`of packages ${packages.join(', ')} alone`]),
    ...(layers.startProcesses.includes(name) ? ['may start processes'] : []),
    ...(layers.foldersApart.includes(name) ? ['its folders do not import each other'] : []),
    ...layers.narrowDoors
      .filter(({ from }) => from === name)
      .map(
        ({ to, files }) =>
          `of \`${to}\` sees ${files.map((file) => `\`${file}\``).join(' and ')} alone`,
      ),
  ].join('; ');
}

/** The page with the table as it should be. @throws Error where the page has no place for it */
export function withLayers(text: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('ARCHITECTURE.md has no place for the layers');
  return `${text.slice(0, begin + BEGIN.length)}\n\n${layersTable()}\n\n${text.slice(end)}`;
}

if (import.meta.main) writeFileSync(page, withLayers(readFileSync(page, 'utf8')));
