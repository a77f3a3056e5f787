/** Certificates and modules of somebody who wants to be believed, or to keep the checker busy. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { checkProof } from '../../../src/admission/proof/check-proof.ts';
import { prove } from '../../../src/admission/proof/prover/prove.ts';
import { isCaissonError } from '../../../src/core/error.ts';
import { build, type ModuleSketch } from '../../wasm/build-module.ts';
import { randomModule } from '../../wasm/random-module.ts';
import { bind, certificateOf, splice } from './mutants.ts';

const source = resolve(import.meta.dirname, '../../../src/admission/proof');
const CALLS: ModuleSketch = {
  functions: [
    {
      export: 'a',
      code: [
        ['call', 1],
        ['call', 2],
      ],
    },
    { code: [['i32.const', 1], 'drop', ['call', 2]] },
    { code: [['i32.const', 1], 'drop'] },
  ],
};

function refusal(module: Uint8Array, certificate: Uint8Array): string {
  const checked = checkProof(module, certificate);
  assert.equal(checked.ok, false);
  return checked.ok ? '' : checked.obligation;
}

describe('the checker', () => {
  test('imports nothing of the prover', () => {
    const files = [
      'check-proof.ts',
      ...readdirSync(join(source, 'checker')).map((f) => `checker/${f}`),
    ];
    for (const file of files) {
      const text = readFileSync(join(source, file), 'utf8');
      for (const [, from = ''] of text.matchAll(/from '([^']+)'/g))
        assert.match(
          from,
          /^(?:node:crypto|zod\/mini|\.\/(?:checker\/)?[a-z-]+\.ts|(?:\.\.\/)+(?:core|wasm)\/[a-z/-]+\.ts)$/,
          file,
        );
    }
  });

  test('stays as small as docs/proof.md says', () => {
    const files = readdirSync(join(source, 'checker')).map((file) => `checker/${file}`);
    const lines = ['check-proof.ts', ...files].map(
      (file) => readFileSync(join(source, file), 'utf8').split('\n').length - 1,
    );
    assert.ok(lines.reduce((a, b) => a + b) <= 600, lines.join(' + '));
  });

  test('takes what the prover makes of random modules', () => {
    let taken = 0;
    for (let seed = 0; seed < 200; seed++) {
      const bytes = build(randomModule(seed));
      try {
        const { module, certificate } = prove(bytes);
        const checked = checkProof(module, certificate);
        assert.ok(checked.ok, `seed ${seed}: ${JSON.stringify(checked)}`);
        taken++;
      } catch (error) {
        // Tail calls.
        if (!isCaissonError(error) || error.code !== 'WASM_REFUSED') throw error;
      }
    }
    assert.ok(taken > 80);
  });
});

describe('lies', () => {
  const { module, certificate } = prove(build(CALLS));
  const claims = certificateOf(certificate);

  test('bounds and ranks that go in a circle, or are swapped', () => {
    const { functions } = claims;
    assert.ok(functions.slice(1).every(([rank, fuel]) => rank > 0 && fuel > 0));
    const [a, b, c] = functions as [
      (typeof functions)[0],
      (typeof functions)[0],
      (typeof functions)[0],
    ];
    const say = (...to: (typeof functions)[0][]) =>
      bind({ module, certificate: { ...claims, functions: to } });
    assert.equal(checkProof(module, say(a, b, c)).ok, true);
    assert.notEqual(refusal(module, say(a, c, b)), 'subject');
    assert.equal(refusal(module, say(a, [c[0], b[1]], c)), 'rank');
    assert.equal(refusal(module, say(a, b, [b[0], c[1]])), 'rank');
  });

  test('recursion that is said to have a rank or a bound', () => {
    const own = prove(
      build({ functions: [{ export: 'f', code: [['call', 1]] }, { code: [['call', 1]] }] }),
    );
    const said = certificateOf(own.certificate);
    const stack = { counted: said.stack.counted, uncounted: 1000 };
    for (const claim of [
      [1000, 0],
      [0, 1000],
      [1000, 1000],
    ] satisfies (typeof claims)['functions']) {
      const functions = [said.functions[0] ?? claim, claim];
      refusal(own.module, bind({ module: own.module, certificate: { ...said, stack, functions } }));
    }
  });

  test('texts that are no canonical JSON of exactly these fields', () => {
    const text = Buffer.from(certificate).toString();
    const variants = [
      '',
      'null',
      '[]',
      '{}',
      '"x"',
      '1',
      text.slice(0, -1),
      `${text} `,
      ` ${text}`,
      `${text}${text}`,
      text.replace('{', '{"more":1,'),
      text.replace('"stack"', '"more":0,"stack"'),
      text.replace('{', '{"__proto__":{},'),
      text.replace('"format"', '"f\\u006frmat"'),
      text.replace('"opcodes":[', '"opcodes":[00,'),
      text.replace('"opcodes":[', '"opcodes":[1e0,'),
      text.replace('"opcodes":[', '"opcodes":[-1,'),
      text.replace('"opcodes":[', '"opcodes":[null,'),
      text.replace('wasm-pcc/v1', 'wasm-pcc/v2'),
      text.replace('"imports":[]', '"imports":{}'),
      text.replace('"imports":[]', '"imports":[["a","b"]]'),
      `\u{feff}${text}`,
      `${'['.repeat(1e6)}`,
      text.replace(/"counted":\d+/, '"counted":2147483648'),
      text.replace(/"counted":\d+/, '"counted":9007199254740993'),
    ];
    for (const variant of variants)
      assert.equal(refusal(module, Buffer.from(variant)), 'certificate', variant.slice(0, 80));
    assert.equal(refusal(module, Uint8Array.of(0xff, 0xfe)), 'certificate');
    assert.equal(refusal(module, new Uint8Array(65 * 2 ** 20)), 'certificate');
  });

  test('proposals, by their names', () => {
    const section = (id: number, ...content: number[]) =>
      Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, id, content.length, ...content);
    const told = (bytes: Uint8Array): string => {
      const checked = checkProof(bytes, bind({ module: bytes, certificate: claims }));
      return checked.ok ? 'taken' : checked.message;
    };
    assert.match(told(section(1, 1, 0x5f, 0)), /garbage collection/);
    assert.match(told(section(13, 1, 0, 0)), /13 is not covered/);
    assert.match(told(section(5, 1, 3, 0, 1)), /threads/);
    assert.match(told(section(5, 1, 4, 0)), /memory64/);
    assert.match(told(section(5, 1, 5, 0, 1)), /memory64/);
    assert.match(told(section(5, 1, 8, 0)), /page sizes/);
    assert.match(told(section(5, 1, 0, 0)), /no maximum/);
    assert.match(told(section(8, 0)), /start function/);
    for (const [name, ...code] of [
      ['tail calls', 0x12, 0],
      ['exceptions', 0x08, 0],
      ['exceptions', 0x1f, 0x40, 0],
      ['threads', 0xfe, 3, 0],
      ['typed function references', 0x14, 0],
      ['garbage collection', 0xfb, 0],
      ['relaxed SIMD', 0xfd, 0x80, 2],
      ['no instruction', 0xff, 1],
    ] as const) {
      const at = module.lastIndexOf(0x41);
      // The last body's size is wrong then; what is read first is the instruction.
      assert.match(told(splice(module, at, at + 2, Uint8Array.from(code))), new RegExp(name));
    }
  });
});

describe('a checker that is kept busy', () => {
  test('half a million functions, counts of billions, and blocks in blocks: each in linear time', () => {
    const many = 500_000;
    const functions = Array.from({ length: many }, (): [number, number] => [10, 0]);
    const claims = { ...certificateOf(prove(build(CALLS)).certificate), functions };
    const body = [2, 0, 0x0b];
    const bytes = Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0],
      ...sized(3, [...number(many), ...new Uint8Array(many)]),
      ...sized(10, [...number(many), ...Array.from({ length: many }, () => body).flat()]),
    ]);
    refusal(bytes, bind({ module: bytes, certificate: claims }));
    const huge = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f);
    assert.equal(refusal(huge, bind({ module: huge, certificate: claims })), 'structure');
    const deep = prove(
      build({
        functions: [
          { export: 'f', code: [...nested(9000), ...Array.from({ length: 9000 }, () => 'end')] },
        ],
      }),
    );
    assert.equal(checkProof(deep.module, deep.certificate).ok, true);
  });
});

function nested(depth: number): (readonly [string, number])[] {
  return Array.from({ length: depth }, () => ['block', -0x40] as const);
}

function number(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...number(value >>> 7)];
}

function sized(id: number, content: readonly number[]): number[] {
  return [id, ...number(content.length)].concat(content as number[]);
}
