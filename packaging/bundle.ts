/** Bundles the library, the command line and the programs of processes and threads, as they are published. */
import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';

const source = resolve(import.meta.dirname, '../src');

/** What is loaded from its own package: a native module, and what only the service, MCP and telemetry want. */
const OUTSIDE = [
  'isolated-vm',
  'fastify',
  '@fastify/websocket',
  'ws',
  'tar-stream',
  'jose',
  '@modelcontextprotocol/sdk',
  '@opentelemetry/*',
];

const commandsApart: Plugin = {
  name: 'commands-apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/command-line\.ts$/ }, () => ({ path: './commands.js', external: true })),
};

/**
 * What starts is one small CommonJS file: Node loads that without its ES module loader. It imports the commands, whose
 * bundle is split, since one of all would be parsed for each of them.
 *
 * @param outdir `dist` of the package
 */
export async function bundle(outdir: string): Promise<void> {
  const common = {
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    legalComments: 'none',
  } as const;
  await build({
    ...common,
    entryPoints: { cli: join(source, 'cli/main.ts') },
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    plugins: [commandsApart],
  });
  await build({
    ...common,
    entryPoints: {
      commands: join(source, 'cli/command-line.ts'),
      index: join(source, 'index.ts'),
      client: join(source, 'client/index.ts'),
      // The programs of threads: files of their own beside the others.
      'verify-file-worker': join(source, 'observe/audit/verify-file-worker.ts'),
      'analysis-worker': join(source, 'admission/scan/analysis-worker.ts'),
      'changes-worker': join(source, 'sandbox/changes-worker.ts'),
      // Started as a process of its own, from beside the others (src/network/proxy-client.ts).
      'proxy-process': join(source, 'network/proxy-process.ts'),
      // Host processes of the engines, found by src/backends/host-program.ts.
      'isolate-host': join(source, 'backends/isolate/host.ts'),
      'wasm-host': join(source, 'backends/wasm/host.ts'),
    },
    format: 'esm',
    splitting: true,
    external: OUTSIDE,
    // yaml is CommonJS under the `node` condition and requires Node's own modules.
    banner: {
      js: "import { createRequire as caissonRequire } from 'node:module';const require = caissonRequire(import.meta.url);",
    },
  });
  copyComponentCompiler(outdir);
  copyGrammars(outdir);
}

/** Beside the host that runs it (src/backends/host-program.ts), with the licence that it came under. */
function copyComponentCompiler(outdir: string): void {
  const resolveFrom = createRequire(import.meta.url).resolve;
  const vendor = dirname(resolveFrom('@bytecodealliance/jco-transpile/component'));
  const compiler = join(vendor, 'js-component-bindgen-component.core.wasm');
  copyFileSync(compiler, join(outdir, 'component-compiler.wasm'));
  copyFileSync(join(vendor, '../LICENSE'), join(outdir, 'component-compiler.LICENSE'));
}

/** Beside the code that loads them (src/admission/threat/grammar.ts), with the licences that they came under. */
function copyGrammars(outdir: string): void {
  const resolveFrom = createRequire(import.meta.url).resolve;
  for (const [name, file] of [
    ['tree-sitter', 'web-tree-sitter/web-tree-sitter.wasm'],
    ['tree-sitter-python', 'tree-sitter-python/tree-sitter-python.wasm'],
    ['tree-sitter-bash', 'tree-sitter-bash/tree-sitter-bash.wasm'],
  ] as const) {
    const from = resolveFrom(file);
    copyFileSync(from, join(outdir, `${name}.wasm`));
    copyFileSync(join(dirname(from), 'LICENSE'), join(outdir, `${name}.LICENSE`));
  }
}
