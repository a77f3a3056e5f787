/** The walls, each as a suite sees it: a caller names what a guest does, and the wall has its own program for that. */
import type { Caisson, Outcome, PolicyDocument } from '../../src/index.ts';
import type { Line } from '../../src/wasm/assemble.ts';
import { valueTypes } from '../../src/wasm/module.ts';
import { Writer } from '../../src/wasm/writer.ts';
import { build } from '../wasm/build-module.ts';

/** What a guest does. Exit code 0 where it could do it. */
export type Deed =
  | { readonly does: 'nothing' }
  | { readonly does: 'fail' }
  | { readonly does: 'say'; readonly out: string; readonly err: string }
  | { readonly does: 'flood'; readonly bytes: number }
  /** Writes its environment to stdout. */
  | { readonly does: 'tell environment' }
  | { readonly does: 'compute for ever' }
  | { readonly does: 'take memory for ever' }
  | { readonly does: 'read'; readonly path: string }
  | { readonly does: 'write'; readonly path: string }
  /** To 127.0.0.1. */
  | { readonly does: 'connect'; readonly port: number };

export interface WallOptions {
  readonly policy: PolicyDocument;
  readonly signal?: AbortSignal;
  readonly accept?: readonly string[];
}

export interface Wall {
  readonly name: string;
  readonly level: 'strict' | 'basic';
  run(caisson: Caisson, deed: Deed, options: WallOptions): Promise<Outcome>;
}

function commandWall(name: string, level: Wall['level']): Wall {
  return { name, level, run: (caisson, deed, options) => caisson.run(commandOf(deed), options) };
}

export const walls: readonly Wall[] = [
  commandWall('process', 'strict'),
  commandWall('child', 'basic'),
  {
    name: 'isolate',
    level: 'strict',
    run: (caisson, deed, options) => caisson.evaluate('javascript', scriptOf(deed), options),
  },
  {
    name: 'wasm',
    level: 'strict',
    run: (caisson, deed, options) => caisson.evaluate('wasm', moduleOf(deed), options),
  },
];

function commandOf(deed: Deed): string[] {
  const shell = (script: string, ...args: string[]): string[] => [
    'sh',
    '-c',
    script,
    'sh',
    ...args,
  ];
  switch (deed.does) {
    case 'nothing':
      return ['true'];
    case 'fail':
      return ['false'];
    case 'say':
      return shell('printf %s "$1"; printf %s "$2" >&2', deed.out, deed.err);
    case 'flood':
      return shell('head -c "$1" /dev/zero | tr "\\0" x', String(deed.bytes));
    case 'tell environment':
      return ['env'];
    case 'compute for ever':
      return shell('while :; do :; done');
    case 'take memory for ever':
      return ['tail', '/dev/zero'];
    case 'read':
      return ['cat', deed.path];
    case 'write':
      return shell('echo guest >>"$1"', deed.path);
    case 'connect':
      return ['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${deed.port}`];
  }
}

function scriptOf(deed: Deed): string {
  switch (deed.does) {
    case 'nothing':
      return '0';
    case 'fail':
      return 'throw new Error("failed")';
    case 'say': {
      const [out, err] = [deed.out, deed.err].map((text) =>
        JSON.stringify(text.replace(/\n$/, '')),
      );
      return `console.log(${out}); console.error(${err}); 0`;
    }
    case 'flood':
      return `for (let n = ${deed.bytes}; n > 0; n -= 10000) console.log("x".repeat(9999)); 0`;
    case 'tell environment':
      return 'console.log(JSON.stringify([globalThis.process?.env, Object.getOwnPropertyNames(globalThis)])); 0';
    case 'compute for ever':
      return 'for (;;);';
    case 'take memory for ever':
      return 'const a = []; for (;;) a.push(new Array(1000).fill({}))';
    case 'read':
    case 'write':
      return `export default async () => (await import(${JSON.stringify(deed.path)})).default`;
    case 'connect':
      return `export default async () => (await fetch('http://127.0.0.1:${deed.port}')).status`;
  }
}

const EMPTY = -0x40;
const WASI = 'wasi_snapshot_preview1';
/** What is written stands from here on in the memory; below it the vector that tells where. */
const TEXT_AT = 1024;

function moduleOf(deed: Deed): Uint8Array {
  switch (deed.does) {
    case 'nothing':
      return command([], {});
    case 'fail':
      return command(
        [
          ['i32.const', 7],
          ['call', 0],
        ],
        { proc_exit: [1, 0] },
      );
    case 'say':
      return command(
        [
          ...write(1, TEXT_AT, deed.out.length),
          ...write(2, TEXT_AT + deed.out.length, deed.err.length),
        ],
        { fd_write: [4, 1] },
        deed.out + deed.err,
      );
    case 'flood':
      return command(
        Array.from({ length: Math.ceil(deed.bytes / 60_000) }, () =>
          write(1, TEXT_AT, 60_000),
        ).flat(),
        { fd_write: [4, 1] },
      );
    case 'tell environment':
      return command(
        [
          ['i32.const', 4096],
          ['i32.const', 8192],
          ['call', 1],
          'drop',
          ...write(1, TEXT_AT, 60_000),
        ],
        { fd_write: [4, 1], environ_get: [2, 1] },
      );
    case 'compute for ever':
      return command([['loop', EMPTY], ['br', 0], 'end'], {});
    case 'take memory for ever':
      return command(
        [
          ['loop', EMPTY],
          ['i32.const', 16],
          ['memory.grow', 0],
          ['i32.const', -1],
          'i32.eq',
          ['if', EMPTY],
          'unreachable',
          'end',
          ['br', 0],
          'end',
        ],
        {},
      );
    case 'read':
    case 'write':
      return opening(deed.path, deed.does === 'write');
    case 'connect':
      // There is no call to connect with; what there is of sockets takes a descriptor that it has.
      return command(
        [
          ['i32.const', 3],
          ['i32.const', 0],
          ['i32.const', 0],
          ['i32.const', 0],
          ['i32.const', 0],
          ['call', 1],
          ['call', 0],
        ],
        { proc_exit: [1, 0], sock_send: [5, 1] },
      );
  }
}

/** Ends with the error number of opening a path below the one directory that it has. */
function opening(path: string, writes: boolean): Uint8Array {
  const relative = `../../../../..${path}`;
  const code: Line[] = [
    ['i32.const', 3],
    ['i32.const', 0],
    ['i32.const', TEXT_AT],
    ['i32.const', relative.length],
    ['i32.const', writes ? 1 : 0],
    ['i64.const', 0],
    ['i64.const', 0],
    ['i32.const', 0],
    ['i32.const', 0],
    ['call', 1],
    ['call', 0],
  ];
  const type = {
    parameters: [...'iiiiiIIii'].map((each) => valueTypes[each === 'I' ? 'i64' : 'i32']),
    results: [valueTypes.i32],
  };
  return build({
    types: [{ parameters: [valueTypes.i32], results: [] }, type],
    imports: ['proc_exit', 'path_open'].map((name, i) => ({
      module: WASI,
      name,
      entity: { kind: 'function', type: i + 1 },
    })),
    functions: [{ code }],
    memory: { minimum: 2 },
    exports: [{ name: '_start', kind: 'function', index: 2 }],
    data: dataOf(relative),
  });
}

function write(descriptor: number, at: number, length: number): Line[] {
  const store = (to: number, value: number): Line[] => [
    ['i32.const', to],
    ['i32.const', value],
    ['i32.store', 2, 0],
  ];
  return [
    ...store(0, at),
    ...store(4, length),
    ['i32.const', descriptor],
    ['i32.const', 0],
    ['i32.const', 1],
    ['i32.const', 8],
    ['call', 0],
    'drop',
  ];
}

/** @param imports functions of WASI in the order of their indices: how many i32 they take and answer */
function command(
  code: readonly Line[],
  imports: Readonly<Record<string, readonly [takes: number, answers: number]>>,
  text = '',
): Uint8Array {
  const signatures = Object.values(imports);
  return build({
    types: signatures.map(([takes, answers]) => ({
      parameters: Array(takes).fill(valueTypes.i32),
      results: Array(answers).fill(valueTypes.i32),
    })),
    imports: Object.keys(imports).map((name, i) => ({
      module: WASI,
      name,
      entity: { kind: 'function', type: i + 1 },
    })),
    functions: [{ code }],
    memory: { minimum: 2 },
    exports: [{ name: '_start', kind: 'function', index: signatures.length }],
    ...(text === '' ? {} : { data: dataOf(text) }),
  });
}

function dataOf(text: string): { count: number; content: Uint8Array } {
  const bytes = Buffer.from(text);
  const at = new Writer().u32(0).byte(0x41).signed(TEXT_AT).byte(0x0b);
  return { count: 1, content: at.u32(bytes.length).bytes(bytes).finish() };
}
