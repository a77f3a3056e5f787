/** The decoder against hostile bytes: each refused with a code, an offset and a section, and no more work than bytes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Line } from '../../src/wasm/assemble.ts';
import { defaultBounds } from '../../src/wasm/bounds.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { valueTypes } from '../../src/wasm/module.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { type SectionName, sections } from '../../src/wasm/sections.ts';
import { Writer } from '../../src/wasm/writer.ts';
import { build, sketch } from './build-module.ts';
import { engine } from './engine.ts';

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
type Part = readonly number[] | Uint8Array;

const section = (name: SectionName, ...content: Part[]): Uint8Array => {
  const inner = new Writer();
  for (const part of content) inner.bytes(Uint8Array.from(part));
  return new Writer().byte(sections[name]).u32(inner.length).append(inner).finish();
};
const module = (...parts: Part[]): Uint8Array =>
  Uint8Array.from([...HEADER, ...parts.flatMap((part) => [...part])]);
const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)];

const TYPE = section('type', [1, 0x60, 0, 0]);
const FUNCTION = section('function', [1, 0]);
const code = (...instructions: number[]): Uint8Array =>
  section('code', [1, instructions.length + 1, 0, ...instructions]);

/** Asserts the code, what is said, and that a place is told. */
function refuses(bytes: Uint8Array, code: string, message: RegExp, at?: number): void {
  assert.throws(
    () => decode(bytes),
    (error: { code: string; message: string; details: { offset: number; section: string } }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.equal(typeof error.details.section, 'string');
      assert.ok(error.details.offset >= 0 && error.details.offset <= bytes.length);
      if (at !== undefined) assert.equal(error.details.offset, at);
      return true;
    },
  );
}

describe('malformed', () => {
  const cases: Record<string, [Uint8Array, RegExp, number?]> = {
    'no bytes': [new Uint8Array(), /unexpected end \(header, offset 0x0\)/, 0],
    'another file': [new TextEncoder().encode('#!/bin/sh\n'), /no WebAssembly module/, 0],
    'another version': [Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), /version 1/, 4],
    'a component': [Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), /a component/, 4],
    'an unknown section': [module([14, 0]), /no section 14/, 8],
    'a section that is cut': [module([1, 100, 1]), /100 bytes are announced, 1 are left/],
    'a section of 4 GiB': [module([1, 0xff, 0xff, 0xff, 0xff, 0x0f]), /4294967295 bytes/],
    'a number of more than 32 bits': [module([1, 0xff, 0xff, 0xff, 0xff, 0x1f]), /more than 32/],
    'a number without end': [module([1, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), /more than 32/],
    'sections out of order': [
      module(section('memory', [1, 0, 1]), TYPE),
      /type section after the memory section/,
    ],
    'a section twice': [module(TYPE, TYPE), /type section after the type section/],
    'bytes behind a section': [module(section('type', [0, 0])), /bytes after the end/],
    'many types in few bytes': [
      module(section('type', [0xff, 0xff, 0xff, 0xff, 0x0f])),
      /4294967295 types in 0 bytes/,
      10,
    ],
    'many parameters in few bytes': [
      module(section('type', [1, 0x60, 0xff, 0xff, 0x03, 0x7f])),
      /65535 parameters in 1 bytes/,
    ],
    'an unknown type': [module(section('type', [1, 0x60, 1, 0x40, 0])), /no value type 0x40/],
    'a name that is not UTF-8': [
      module(section('custom', [2, 0xc3, 0x28])),
      /not UTF-8 \(custom, offset/,
    ],
    'a name with a lone surrogate': [module(section('custom', [3, 0xed, 0xa0, 0x80])), /not UTF-8/],
    'an overlong encoding in a name': [module(section('custom', [2, 0xc0, 0x80])), /not UTF-8/],
    'a name that is cut': [module(section('custom', [9, 0x61])), /9 bytes are announced/],
    'an import of an unknown type': [
      module(section('import', [1, ...name('m'), ...name('n'), 0, 0])),
      /no type 0/,
    ],
    'a function of an unknown type': [module(section('function', [1, 0])), /no type 0/],
    'functions without bodies': [module(TYPE, FUNCTION), /1 functions without bodies/],
    'bodies without functions': [module(section('code', [1, 2, 0, 0x0b])), /1 bodies for 0/],
    'an export of what is not there': [
      module(section('export', [1, ...name('e'), 0, 0])),
      /no function 0/,
    ],
    'duplicate exports': [
      module(
        section('memory', [1, 0, 1]),
        section('export', [2, ...name('e'), 2, 0, ...name('e'), 2, 0]),
      ),
      /"e" is exported twice/,
    ],
    'a start function that is not there': [module(section('start', [3])), /no function 3/],
    'limits upside down': [module(section('memory', [1, 1, 5, 4])), /limits from 5 to 4/],
    'a memory beyond 4 GiB': [
      module(section('memory', [1, 0, 0x81, 0x80, 0x04])),
      /limits from 65537/,
    ],
    'a shared memory without a maximum': [module(section('memory', [1, 2, 1])), /flags 2/],
    'a shared table': [module(section('table', [1, 0x70, 3, 1, 1])), /flags 3/],
    'a table of numbers': [module(section('table', [1, 0x7f, 0, 1])), /i32 is no reference/],
    'a global that calls': [
      module(section('global', [1, 0x7f, 0, 0x10, 0, 0x0b])),
      /call is not constant/,
    ],
    'a global of itself': [
      module(section('global', [1, 0x7f, 0, 0x23, 0, 0x0b])),
      /no global 0 yet/,
    ],
    'a constant without end': [module(section('global', [1, 0x7f, 0, 0x41, 0])), /unexpected end/],
    'a mutability of 2': [module(section('global', [1, 0x7f, 2, 0x41, 0, 0x0b])), /mutability 2/],
    'an unknown segment': [module(section('element', [1, 8])), /flags 8/],
    'elements for no table': [module(section('element', [1, 0, 0x41, 0, 0x0b, 0])), /no table 0/],
    'data for no memory': [module(section('data', [1, 0, 0x41, 0, 0x0b, 0])), /no memory 0/],
    'data that is cut': [
      module(section('data', [1, 1, 0xff, 0xff, 0xff, 0xff, 0x07, 1])),
      /2147483647 bytes are announced, 1 are left/,
    ],
    'a wrong count of data': [
      module(section('data count', [2]), section('data', [1, 1, 0])),
      /1 data segments, 2 announced/,
    ],
    'no data at all': [module(section('data count', [1])), /none is there/],
    'a body that is cut': [module(TYPE, FUNCTION, section('code', [1, 9, 0, 0x0b])), /9 bytes/],
    'a body without its end': [module(TYPE, FUNCTION, code(0x01)), /without its end/],
    'a body with an open block': [module(TYPE, FUNCTION, code(0x02, 0x40, 0x0b)), /its end/],
    'code after the end': [module(TYPE, FUNCTION, code(0x0b, 0x01)), /after the end of the func/],
    'an else without an if': [module(TYPE, FUNCTION, code(0x05, 0x0b)), /else without its if/],
    'two elses': [
      module(TYPE, FUNCTION, code(0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b, 0x0b)),
      /else without its if/,
    ],
    'a label that is not there': [module(TYPE, FUNCTION, code(0x0c, 1, 0x0b)), /no label 1/],
    'a label in a table': [
      module(TYPE, FUNCTION, code(0x41, 0, 0x0e, 1, 0, 7, 0x0b)),
      /no label 7/,
    ],
    'more labels than bytes': [
      module(TYPE, FUNCTION, code(0x41, 0, 0x0e, 0xff, 0xff, 0x7f, 0x0b)),
      /2097151 labels in/,
    ],
    'a local that is not there': [module(TYPE, FUNCTION, code(0x20, 0, 0x1a, 0x0b)), /no local 0/],
    'a function that is not there': [module(TYPE, FUNCTION, code(0x10, 1, 0x0b)), /no function 1/],
    'memory that is not there': [module(TYPE, FUNCTION, code(0x3f, 0, 0x1a, 0x0b)), /no memory 0/],
    'a block type that is not there': [
      module(TYPE, FUNCTION, code(0x02, 1, 0x0b, 0x0b)),
      /no type 1/,
    ],
    'data without a count': [
      module(
        TYPE,
        FUNCTION,
        section('memory', [1, 0, 1]),
        code(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0x0b),
      ),
      /memory.init without a data count/,
    ],
    'an i32 of too many bits': [
      module(TYPE, FUNCTION, code(0x41, 0xff, 0xff, 0xff, 0xff, 0x4f, 0x1a, 0x0b)),
      /too many bits/,
    ],
    'an i64 of too many bits': [
      module(TYPE, FUNCTION, code(0x42, ...Array(9).fill(0x80), 0x02, 0x1a, 0x0b)),
      /more than 64/,
    ],
  };
  for (const [title, [bytes, message, at]] of Object.entries(cases)) {
    test(title, () => {
      refuses(bytes, 'WASM_MALFORMED', message, at);
      assert.equal(engine.validate(bytes), false, 'the engine takes it');
    });
  }

  test('a module cut anywhere', () => {
    const whole = build({
      memory: { minimum: 1 },
      globals: [{ type: 'i64', initial: ['i64.const', 7], export: 'g' }],
      functions: [{ export: 'f', parameters: ['i32'], code: [['local.get', 0], 'drop'] }],
      data: { count: 1, content: Uint8Array.of(1, 2, 5, 6) },
    });
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      if (engine.validate(cut)) assert.doesNotThrow(() => decode(cut));
      else refuses(cut, 'WASM_MALFORMED', /./);
    }
  });
});

describe('refused by name', () => {
  const cases: Record<string, [Uint8Array, RegExp]> = {
    memory64: [module(section('memory', [1, 4, 1])), /uses memory64/],
    'multiple memories': [module(section('memory', [2, 0, 1, 0, 1])), /uses multiple memories/],
    'custom page sizes': [module(section('memory', [1, 8, 1, 0])), /uses custom page sizes/],
    'a tag': [module(TYPE, section('tag', [1, 0, 0])), /uses exceptions/],
    'an imported tag': [
      module(TYPE, section('import', [1, ...name('m'), ...name('n'), 4, 0, 0])),
      /uses exceptions/,
    ],
    'a struct': [module(section('type', [1, 0x5f, 0])), /uses garbage collection/],
    'a recursive group': [module(section('type', [1, 0x4e, 0])), /uses garbage collection/],
    'an anyref': [module(section('type', [1, 0x60, 1, 0x6e, 0])), /uses garbage collection/],
    'a typed reference': [
      module(section('type', [1, 0x60, 1, 0x63, 0x70, 0])),
      /uses typed function references/,
    ],
    'an exnref': [module(section('type', [1, 0x60, 1, 0x69, 0])), /uses exceptions/],
    'a table with a value': [
      module(section('table', [1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b])),
      /uses typed function references/,
    ],
    'a memory that is named': [
      module(TYPE, FUNCTION, section('code', [1, 8, 0, 0x41, 0, 0x28, 0x42, 1, 0, 0x0b])),
      /uses multiple memories \(i32\.load\)/,
    ],
  };
  for (const [title, [bytes, message]] of Object.entries(cases))
    test(title, () => refuses(bytes, 'WASM_REFUSED', message));
});

describe('too large', () => {
  const bound = (bytes: Uint8Array, bounds: object, message: RegExp): void => {
    assert.doesNotThrow(() => decode(bytes));
    assert.throws(() => decode(bytes, { ...defaultBounds, ...bounds }), {
      code: 'WASM_TOO_LARGE',
      message,
    });
  };
  const block: Line = ['block', -0x40];
  const bytes = build({
    memory: { minimum: 1 },
    imports: [{ module: 'm', name: 'n', entity: { kind: 'function', type: 0 } }],
    functions: [
      {
        parameters: ['i32', 'i32'],
        locals: ['i32', 'i64', 'f32'],
        code: [block, block, block, 'end', 'end', 'end'],
        export: 'f',
      },
    ],
    globals: [
      { type: 'i32', initial: ['i32.const', 0] },
      { type: 'i32', initial: ['i32.const', 0] },
    ],
    tables: Array(2).fill({
      element: valueTypes.funcref,
      limits: { minimum: 0, maximum: undefined, shared: false },
    }),
    data: { count: 2, content: Uint8Array.of(1, 0, 1, 0) },
  });
  const cases: [object, RegExp][] = [
    [{ bytes: 20 }, /\d+ bytes, at most 20/],
    [{ types: 0 }, /1 types/],
    [{ imports: 0 }, /1 imports/],
    [{ functions: 1 }, /2 functions, at most 1/],
    [{ tables: 1 }, /2 tables/],
    [{ globals: 1 }, /2 globals/],
    [{ exports: 1 }, /2 exports/],
    [{ segments: 1 }, /2 data segments/],
    [{ parameters: 1 }, /2 parameters/],
    [{ locals: 4 }, /5 parameters and locals/],
    [{ bodyBytes: 5 }, /\d+ bytes of a body/],
    [{ nesting: 3 }, /4 nested blocks/],
  ];
  for (const [bounds, message] of cases)
    test(Object.keys(bounds).join(), () => bound(bytes, bounds, message));
  test('customSections', () => {
    const sections = module(section('custom', name('a')), section('custom', name('b')));
    bound(sections, { customSections: 1 }, /2 custom sections/);
  });

  test('locals beyond counting', () => {
    const runs = [2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f];
    const body = section('code', [1, runs.length + 1, ...runs, 0x0b]);
    assert.throws(() => decode(module(TYPE, FUNCTION, body)), { code: 'WASM_TOO_LARGE' });
  });
});

describe('large, and taken', () => {
  const whole = { fuel: {}, stackSlots: 65_536, deterministic: true } as const;
  const survives = (bytes: Uint8Array): void => {
    const rewritten = encode(rewrite(decode(bytes), whole));
    assert.ok(engine.validate(rewritten));
  };

  test('100,000 functions', () => {
    const base = sketch({ functions: [{ code: ['nop'] }] });
    survives(
      encode({
        ...base,
        functions: Array(100_000).fill(0),
        bodies: Array(100_000).fill(base.bodies[0]),
      }),
    );
  });

  test('blocks 9,999 deep', () => {
    const deep = 9_999;
    const code: Line[] = [
      ...Array<Line>(deep).fill(['block', -0x40]),
      ['i32.const', 0],
      ['br_table', deep, ...Array.from({ length: deep }, (_, index) => index), deep],
      ...Array<Line>(deep).fill('end'),
    ];
    survives(build({ functions: [{ code }] }));
    const deeper = build({
      functions: [{ code: [['block', -0x40], ...code, 'end'] }],
    });
    assert.throws(() => decode(deeper), { code: 'WASM_TOO_LARGE', message: /nested blocks/ });
  });

  test('a million instructions in one body', () => {
    const nops = new Uint8Array(1_000_001).fill(0x01).with(1_000_000, 0x0b);
    const base = sketch({ functions: [{ code: [] }] });
    survives(encode({ ...base, bodies: [{ locals: [], code: nops }] }));
  });

  test('32 MiB of data', () => {
    const content = new Writer()
      .byte(1)
      .u32(2 ** 25)
      .bytes(new Uint8Array(2 ** 25))
      .finish();
    survives(build({ memory: { minimum: 1 }, data: { count: 1, content } }));
  });
});

test('numbers longer than need be are read as the engine reads them', () => {
  const padded = module([1, 0x86, 0x80, 0x00, 0x81, 0x00, 0x60, 0x80, 0x00, 0]);
  assert.ok(engine.validate(padded));
  assert.deepEqual(encode(decode(padded)), module(TYPE));
});
