/** What else evaluates a small JavaScript program: the peers of suites/isolate.ts. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { arch } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import vm from 'node:vm';
import type ivm from 'isolated-vm';
import type { Absent } from './contestant.ts';
import { npmPeers } from './npm-peers.ts';
import type { Bench } from './suite.ts';

/** What all of them evaluate, and what with. */
export const FUNCTION = '(a) => a.map((x) => x * x)';
export const INPUT: readonly number[] = [1, 2, 3];
const MEMORY_MB = 128;

export interface LightPeer {
  readonly name: string;
  /** A call in a context that stays. */
  readonly warm?: () => unknown;
  /** Everything anew for one call. */
  readonly fresh?: () => unknown;
  /** A new context in the isolate that stays. */
  readonly freshContext?: () => unknown;
  readonly close?: () => void;
}

export async function lightPeers(
  bench: Bench,
): Promise<{ readonly peers: readonly LightPeer[]; readonly absent: readonly Absent[] }> {
  const found = [isolatedVm(), await quickJs(bench), await workerd(bench), nodeVm()];
  return {
    peers: found.filter((peer): peer is LightPeer => !('reason' in peer)),
    absent: found.filter((peer): peer is Absent => 'reason' in peer),
  };
}

/** In this process, and as its documentation shows it: arguments and result are copied, a time limit is set. */
function isolatedVm(): LightPeer {
  const { Isolate } = createRequire(import.meta.url)('isolated-vm') as typeof ivm;
  const call = (context: ivm.Context): unknown => {
    const fn = context.evalSync(FUNCTION, { reference: true }) as ivm.Reference;
    return apply(fn);
  };
  const apply = (fn: ivm.Reference): unknown =>
    fn.applySync(undefined, [INPUT] as never, {
      arguments: { copy: true },
      result: { copy: true },
      timeout: 5000,
    });
  const kept = new Isolate({ memoryLimit: MEMORY_MB });
  const warmed = kept.createContextSync().evalSync(FUNCTION, { reference: true });
  return {
    name: 'isolated-vm, in this process',
    warm: () => apply(warmed as ivm.Reference),
    fresh: () => {
      const isolate = new Isolate({ memoryLimit: MEMORY_MB });
      const value = call(isolate.createContextSync());
      isolate.dispose();
      return value;
    },
    freshContext: () => {
      const context = kept.createContextSync();
      const value = call(context);
      context.release();
      return value;
    },
    close: () => kept.dispose(),
  };
}

/** An interpreter that was itself compiled to WebAssembly; text goes in and out. */
async function quickJs(bench: Bench): Promise<LightPeer | Absent> {
  const name = 'quickjs-emscripten, in this process';
  const core = 'quickjs-emscripten-core';
  const variant = '@jitl/quickjs-wasmfile-release-sync';
  const require = npmPeers(bench, [core, variant]);
  if (typeof require === 'string') return { name, reason: require };
  interface Context {
    unwrapResult(result: unknown): { dispose(): void };
    evalCode(code: string): unknown;
    dump(handle: unknown): unknown;
    dispose(): void;
  }
  const { newQuickJSWASMModuleFromVariant } = require(core);
  const module = (await newQuickJSWASMModuleFromVariant(require(variant))) as {
    newContext(): Context;
  };
  const code = `JSON.stringify((${FUNCTION})(${JSON.stringify(INPUT)}))`;
  const evaluate = (context: Context): unknown => {
    const result = context.unwrapResult(context.evalCode(code));
    const value = JSON.parse(String(context.dump(result)));
    result.dispose();
    return value;
  };
  const kept = module.newContext();
  return {
    name,
    warm: () => evaluate(kept),
    fresh: () => {
      const context = module.newContext();
      const value = evaluate(context);
      context.dispose();
      return value;
    },
    close: () => kept.dispose(),
  };
}

/** A server in a process of its own: a request over a Unix socket that stays open. It has no fresh isolate for a request. */
async function workerd(bench: Bench): Promise<LightPeer | Absent> {
  const name = 'workerd, a request over HTTP';
  const require = npmPeers(bench, ['workerd']);
  if (typeof require === 'string') return { name, reason: require };
  const binary = `@cloudflare/workerd-linux-${arch() === 'arm64' ? 'arm64' : '64'}/bin/workerd`;
  const directory = join(bench.directory, 'workerd');
  const socketPath = join(directory, 'socket');
  mkdirSync(directory);
  writeFileSync(
    join(directory, 'worker.js'),
    `const f = ${FUNCTION};\nexport default { async fetch(r) { return Response.json(f(await r.json())); } };\n`,
  );
  writeFileSync(
    join(directory, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")],
    compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "unix:${socketPath}", http = (), service = "main")]);
`,
  );
  const child = spawn(require.resolve(binary), ['serve', join(directory, 'config.capnp')], {
    stdio: 'ignore',
  });
  for (let i = 0; i < 200 && !existsSync(socketPath); i++) await sleep(25);
  if (!existsSync(socketPath)) {
    child.kill();
    return { name, reason: 'did not start' };
  }
  const agent = new Agent({ keepAlive: true });
  const body = JSON.stringify(INPUT);
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  return {
    name,
    warm: () =>
      new Promise((resolve, reject) => {
        const options = { socketPath, agent, method: 'POST', headers };
        const asked = request(options, (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve(JSON.parse(text)));
        });
        asked.on('error', reject);
        asked.end(body);
      }),
    close: () => {
      agent.destroy();
      child.kill();
    },
  };
}

/** No boundary at all: for orientation. */
function nodeVm(): LightPeer {
  const call = `(${FUNCTION})(input)`;
  const kept = vm.createContext({ input: INPUT });
  const script = new vm.Script(call);
  return {
    name: 'node:vm, no boundary',
    warm: () => script.runInContext(kept),
    fresh: () => new vm.Script(call).runInContext(vm.createContext({ input: INPUT })),
    freshContext: () => script.runInContext(vm.createContext({ input: INPUT })),
  };
}
