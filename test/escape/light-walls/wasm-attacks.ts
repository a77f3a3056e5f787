/** Modules that no compiler makes, and guests of WASI that ask for what there is not. */
import assert from 'node:assert/strict';
import type { Evaluation, OutcomeKind } from '../../../src/index.ts';
import { type Import, type ValueTypeName, valueTypes } from '../../../src/wasm/module.ts';
import { Writer } from '../../../src/wasm/writer.ts';
import { build, type FunctionSketch, type ModuleSketch } from '../../wasm/build-module.ts';
import type { Attack } from './attack.ts';

const ENDED: readonly OutcomeKind[] = ['exited'];
const ANY: readonly OutcomeKind[] = ['exited', 'timed-out', 'out-of-memory'];
const EMPTY = -0x40;
const HEADER = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

type Check = (evaluation: Evaluation) => void;

const named =
  (...texts: readonly string[]): Check =>
  ({ error }) => {
    for (const text of texts) assert.ok(error?.message.includes(text), error?.message);
  };
const malformed: Check = ({ error }) =>
  assert.match(error?.name ?? '', /^WASM_|CompileError|LinkError|RangeError/);
const trapped: Check = ({ error }) => assert.equal(error?.name, 'Trap', error?.message);

function wasm(
  name: string,
  source: Uint8Array,
  ends: readonly OutcomeKind[],
  check?: Check,
  options: Attack['options'] = { export: 'run' },
): Attack {
  return {
    name,
    language: 'wasm',
    source,
    options,
    ends,
    ...(check === undefined ? {} : { check }),
  };
}

function run(code: FunctionSketch['code'], rest: Partial<ModuleSketch> = {}): Uint8Array {
  return build({ functions: [{ code, export: 'run' }], ...rest });
}

const SMALL = run([['i32.const', 1], 'drop'], { memory: { minimum: 1 } });
const FOREVER: FunctionSketch['code'] = [['loop', EMPTY], ['br', 0], 'end'];

/** A section as it stands in a file, whatever is in it. */
function section(id: number, content: Uint8Array): Uint8Array {
  return new Writer().byte(id).u32(content.length).bytes(content).finish();
}

function file(...sections: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([HEADER, ...sections]);
}

function numbers(...values: readonly number[]): Uint8Array {
  const out = new Writer();
  for (const value of values) out.u32(value);
  return out.finish();
}

const TRUNCATED: readonly Attack[] = [0, 1, 7, 8, 9, 12, SMALL.length - 1].map((length) =>
  wasm(
    `${length} bytes of ${SMALL.length}`,
    SMALL.subarray(0, length),
    ENDED,
    length === 8 ? undefined : malformed,
  ),
);

const SHAPES: readonly Attack[] = [
  wasm(
    '10^5 functions',
    build({
      functions: Array.from({ length: 100_000 }, (_, i) => ({
        code: [['i32.const', i], 'drop'],
        ...(i === 0 ? { export: 'run' } : {}),
      })),
    }),
    ANY,
  ),
  wasm(
    '10^5 exports',
    build({
      functions: [{ code: [] }],
      exports: Array.from(
        { length: 100_000 },
        (_, i) => ({ name: `f${i}`, kind: 'function', index: 0 }) as const,
      ),
    }),
    ANY,
  ),
  wasm(
    'a function section of 4 billion',
    file(section(1, numbers(1, 0x60, 0, 0)), section(3, numbers(0xffff_ffff))),
    ENDED,
    malformed,
  ),
  wasm(
    'a data segment of 40 MB',
    run([], { memory: { minimum: 1024 }, data: segment(new Uint8Array(40e6)) }),
    ANY,
  ),
  wasm(
    'a data segment past the memory',
    run([], { memory: { minimum: 1 }, data: segment(new Uint8Array(70_000)) }),
    ENDED,
  ),
  wasm('10^5 blocks in each other', withBody(blocks(100_000)), ANY),
  wasm('900 blocks in each other', withBody(blocks(900)), ENDED),
  wasm(
    '10^9 locals',
    withBody(new Writer().u32(1).u32(1_000_000_000).byte(0x7f).byte(0x0b).finish()),
    ENDED,
  ),
  wasm(
    'locals past 2^32',
    withBody(
      new Writer()
        .u32(2)
        .u32(0xffff_ffff)
        .byte(0x7f)
        .u32(0xffff_ffff)
        .byte(0x7e)
        .byte(0x0b)
        .finish(),
    ),
    ENDED,
  ),
  wasm(
    '50,000 locals',
    withBody(new Writer().u32(1).u32(50_000).byte(0x7f).byte(0x0b).finish()),
    ANY,
  ),
  wasm(
    'a type of 2000 parameters',
    build({
      functions: [{ parameters: Array<ValueTypeName>(2000).fill('i32'), code: [], export: 'run' }],
    }),
    ANY,
  ),
  wasm(
    'a type of 4 billion parameters',
    file(section(1, numbers(1, 0x60, 0xffff_ffff))),
    ENDED,
    malformed,
  ),
  wasm(
    'a branch table of 4 billion',
    withBody(
      new Writer().u32(0).byte(0x41).byte(0).byte(0x0e).u32(0xffff_ffff).byte(0x0b).finish(),
    ),
    ENDED,
    malformed,
  ),
  wasm(
    'a memory that begins above the limit',
    run([], { memory: { minimum: 60_000 } }),
    ENDED,
    ({ error }) => assert.ok(error),
  ),
  wasm(
    'a memory that begins where it ends',
    run([], { memory: { minimum: 10, maximum: 1 } }),
    ENDED,
    malformed,
  ),
  wasm(
    'a table above the limit',
    run([], {
      tables: [
        { element: 0x70, limits: { minimum: 100_000_000, maximum: undefined, shared: false } },
      ] as never,
    }),
    ENDED,
    ({ error }) => assert.ok(error),
  ),
  wasm(
    'sections in another order',
    file(section(3, numbers(1, 0)), section(1, numbers(1, 0x60, 0, 0))),
    ENDED,
    malformed,
  ),
  wasm(
    'a section twice',
    file(section(1, numbers(1, 0x60, 0, 0)), section(1, numbers(1, 0x60, 0, 0))),
    ENDED,
    malformed,
  ),
  wasm(
    'a number of too many bytes',
    file(Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)),
    ENDED,
    malformed,
  ),
  wasm(
    'a custom section with a name that is no text',
    file(section(0, Uint8Array.of(2, 0xff, 0xfe))),
    ENDED,
  ),
  wasm(
    'an export whose name is no text',
    file(
      section(1, numbers(1, 0x60, 0, 0)),
      section(3, numbers(1, 0)),
      section(7, Uint8Array.of(1, 2, 0xff, 0xfe, 0, 0)),
      section(10, numbers(1, 2, 0, 0x0b)),
    ),
    ENDED,
    malformed,
  ),
  wasm(
    'an import whose name is no text',
    file(section(1, numbers(1, 0x60, 0, 0)), section(2, Uint8Array.of(1, 1, 0xc0, 1, 0x61, 0, 0))),
    ENDED,
    malformed,
  ),
  wasm(
    'an import of a lone surrogate',
    file(
      section(1, numbers(1, 0x60, 0, 0)),
      section(2, Uint8Array.of(1, 3, 0xed, 0xa0, 0x80, 1, 0x61, 0, 0)),
    ),
    ENDED,
    malformed,
  ),
  wasm(
    'names of ours',
    build({
      functions: [
        { code: [], export: 'run' },
        { code: FOREVER, export: 'caisson.start' },
      ],
    }),
    ANY,
  ),
  wasm(
    'a memory that is a function',
    build({
      functions: [
        { code: [], export: 'memory' },
        { code: [], export: 'run' },
      ],
    }),
    ANY,
  ),
  wasm(
    'a start that is a number',
    build({
      functions: [{ code: [], export: 'run' }],
      globals: [{ type: 'i32', initial: ['i32.const', 1], export: '_start' }],
    }),
    ANY,
    undefined,
    {},
  ),
  wasm(
    'exports named as prototypes',
    build({
      functions: [
        { code: [], export: '__proto__' },
        { code: [], export: 'constructor' },
      ],
    }),
    ENDED,
    undefined,
    { export: '__proto__' },
  ),
  wasm(
    'a call of what an object has',
    build({ functions: [{ code: [], export: 'run' }] }),
    ENDED,
    ({ error }) => assert.ok(error),
    { export: 'toString' },
  ),
  wasm(
    'arguments of other types',
    build({ functions: [{ parameters: ['i64'], code: [], export: 'run' }] }),
    ENDED,
    ({ error }) => assert.ok(error),
    { export: 'run', args: [{ a: 1 }] },
  ),
  wasm('a text in place of a module', new TextEncoder().encode('(module)'), ENDED, malformed),
];

const IMPORTS: readonly Attack[] = [
  wasm(
    '50 unknown imports, named all at once',
    build({
      types: [{ parameters: [], results: [] }],
      imports: Array.from({ length: 50 }, (_, i) => imported('env', `host_${i}`, 0)),
    }),
    ENDED,
    named('env.host_0', 'env.host_27', 'env.host_49'),
  ),
  wasm(
    'an import of WASI with another type',
    build({
      types: [{ parameters: [], results: [] }],
      imports: [imported('wasi_snapshot_preview1', 'fd_write', 0)],
    }),
    ENDED,
    ({ error }) => assert.ok(error),
  ),
  wasm(
    'an import named as a prototype',
    build({
      types: [{ parameters: [], results: [] }],
      imports: [
        imported('wasi_snapshot_preview1', 'constructor', 0),
        imported('__proto__', 'toString', 0),
      ],
    }),
    ENDED,
    named('constructor', 'toString'),
  ),
  wasm(
    'an imported memory',
    build({
      imports: [
        {
          module: 'env',
          name: 'memory',
          entity: { kind: 'memory', type: { minimum: 1, maximum: undefined, shared: false } },
        },
      ],
    }),
    ENDED,
    named('env.memory'),
  ),
];

const RUNNING: readonly Attack[] = [
  wasm('unreachable', run(['unreachable']), ENDED, trapped),
  wasm(
    'a division by 0',
    run([['i32.const', 1], ['i32.const', 0], 'i32.div_s', 'drop']),
    ENDED,
    trapped,
  ),
  wasm(
    'reading past the memory',
    run([['i32.const', -1], ['i32.load', 2, 0], 'drop'], { memory: { minimum: 1 } }),
    ENDED,
    trapped,
  ),
  wasm(
    'filling past the memory',
    run(
      [
        ['i32.const', 0],
        ['i32.const', 1],
        ['i32.const', -1],
        ['memory.fill', 0],
      ],
      { memory: { minimum: 1 } },
    ),
    ENDED,
    trapped,
  ),
  wasm('a loop', run(FOREVER), ['timed-out']),
  wasm(
    'a loop at the start',
    build({ functions: [{ code: FOREVER }, { code: [], export: 'run' }], start: 0 }),
    ['timed-out'],
  ),
  wasm(
    'a loop in _initialize',
    build({
      functions: [
        { code: FOREVER, export: '_initialize' },
        { code: [], export: 'run' },
      ],
      memory: { minimum: 1 },
    }),
    ['timed-out'],
  ),
  wasm(
    'recursion without an end',
    build({ functions: [{ code: [['call', 0]], export: 'run' }] }),
    ENDED,
    trapped,
  ),
  wasm(
    'recursion with 1000 locals each',
    build({
      functions: [
        { locals: Array<ValueTypeName>(1000).fill('i64'), code: [['call', 0]], export: 'run' },
      ],
    }),
    ENDED,
    trapped,
  ),
  wasm(
    'recursion, with fuel',
    build({ functions: [{ code: [['call', 0]], export: 'run' }] }),
    ANY,
    undefined,
    { export: 'run', wasm: { fuel: 10_000_000n } },
  ),
  wasm(
    'memory that grows for ever',
    run([['loop', EMPTY], ['i32.const', 1], ['memory.grow', 0], 'drop', ['br', 0], 'end'], {
      memory: { minimum: 1 },
    }),
    ['timed-out', 'out-of-memory', 'exited'],
  ),
  wasm(
    'a table that grows for ever',
    run(
      [
        ['loop', EMPTY],
        ['ref.null', 0x70],
        ['i32.const', 1000],
        ['table.grow', 0],
        'drop',
        ['br', 0],
        'end',
      ],
      {
        tables: [
          { element: 0x70, limits: { minimum: 1, maximum: undefined, shared: false } },
        ] as never,
      },
    ),
    ANY,
  ),
  wasm(
    'a fill of all its memory, again and again',
    run(
      [
        ['loop', EMPTY],
        ['i32.const', 0],
        ['i32.const', 1],
        ['i32.const', 67_000_000],
        ['memory.fill', 0],
        ['br', 0],
        'end',
      ],
      { memory: { minimum: 1023 } },
    ),
    ['timed-out', 'out-of-memory'],
  ),
];

/** What a guest asks of WASI: numbers that are pointers, lengths and descriptors, all of them wrong. */
const WASI: readonly Attack[] = [
  wasi('more bytes of chance than there is memory', 'random_get', ['i32', 'i32'], [0, -1]),
  wasi('chance for ever', 'random_get', ['i32', 'i32'], [0, 60_000], true),
  wasi('2^31 buffers to write', 'fd_write', ['i32', 'i32', 'i32', 'i32'], [1, 0, -1, 0]),
  wasi(
    'writing 16 empty buffers for ever',
    'fd_write',
    ['i32', 'i32', 'i32', 'i32'],
    [1, 0, 16, 60_000],
    true,
  ),
  wasi(
    'events without end to wait for',
    'poll_oneoff',
    ['i32', 'i32', 'i32', 'i32'],
    [0, 0, -1, 0],
  ),
  wasi('no event at all', 'poll_oneoff', ['i32', 'i32', 'i32', 'i32'], [0, 0, 0, 0]),
  wasi('a descriptor that there is not', 'fd_close', ['i32'], [-1]),
  wasi('closing everything', 'fd_close', ['i32'], [3]),
  wasi('an exit code of 2^32 - 1', 'proc_exit', ['i32'], [-1], false, []),
  wasi('exit code 0', 'proc_exit', ['i32'], [0], false, []),
  wasi('a signal that there is not', 'proc_raise', ['i32'], [250]),
  wasi(
    'a path as long as the memory',
    'path_create_directory',
    ['i32', 'i32', 'i32'],
    [3, 0, 65_000],
  ),
  wasi('a name outside of the memory', 'path_unlink_file', ['i32', 'i32', 'i32'], [3, -2, 1]),
  wasi('yielding for ever', 'sched_yield', [], [], true),
];

export const wasmAttacks: readonly Attack[] = [
  ...TRUNCATED,
  ...SHAPES,
  ...IMPORTS,
  ...RUNNING,
  ...WASI,
];

/** A valid module, for others to change. */
export const smallModule: Uint8Array = SMALL;

function segment(bytes: Uint8Array): { count: number; content: Uint8Array } {
  const content = new Writer().u32(0).byte(0x41).byte(0).byte(0x0b).u32(bytes.length).bytes(bytes);
  return { count: 1, content: content.finish() };
}

/** A body of so many blocks, each inside of the one before. */
function blocks(depth: number): Uint8Array {
  const out = new Writer().u32(0);
  for (let i = 0; i < depth; i++) out.byte(0x02).byte(0x40);
  for (let i = 0; i <= depth; i++) out.byte(0x0b);
  return out.finish();
}

/** One function whose body is these bytes. */
function withBody(body: Uint8Array): Uint8Array {
  return file(
    section(1, numbers(1, 0x60, 0, 0)),
    section(3, numbers(1, 0)),
    section(7, Uint8Array.of(1, 3, 0x72, 0x75, 0x6e, 0, 0)),
    section(10, new Writer().u32(1).u32(body.length).bytes(body).finish()),
  );
}

function imported(module: string, name: string, type: number): Import {
  return { module, name, entity: { kind: 'function', type } };
}

/** Calls one function of WASI, once or for ever. */
function wasi(
  name: string,
  call: string,
  parameters: readonly ValueTypeName[],
  args: readonly number[],
  forEver = false,
  results: readonly ValueTypeName[] = ['i32'],
): Attack {
  const once = [
    ...args.map((value) => ['i32.const', value] as const),
    ['call', 0] as const,
    ...results.map(() => 'drop'),
  ];
  const code = forEver ? [['loop', EMPTY] as const, ...once, ['br', 0] as const, 'end'] : once;
  const type = {
    parameters: parameters.map((each) => valueTypes[each]),
    results: results.map((each) => valueTypes[each]),
  };
  const bytes = build({
    types: [type],
    imports: [imported('wasi_snapshot_preview1', call, 1)],
    functions: [{ code }],
    memory: { minimum: 1 },
    exports: [{ name: '_start', kind: 'function', index: 1 }],
  });
  return wasm(
    `WASI: ${name}`,
    bytes,
    forEver ? ['timed-out', 'out-of-memory', 'exited'] : ANY,
    undefined,
    {},
  );
}
