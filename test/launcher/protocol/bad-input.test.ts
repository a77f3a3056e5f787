import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCaissonError } from '../../../src/core/error.ts';
import { encodeJob } from '../../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../../src/launcher/protocol/encode-plan.ts';
import {
  FieldWriter,
  readAmount,
  readFields,
  readStr,
} from '../../../src/launcher/protocol/fields.ts';
import { FrameReader, rawFrame } from '../../../src/launcher/protocol/frame.ts';
import type { Job } from '../../../src/plan/plan.ts';
import { smallPlan } from '../small-plan.ts';

const job = (more: Partial<Job>): Job => ({
  argv: ['/bin/true'],
  env: [],
  cwd: '/',
  mounts: [],
  landlock: [],
  stdin: 'null',
  stdout: 'capture',
  stderr: 'capture',
  ...more,
});
const refused = (code: string, run: () => unknown): void => {
  assert.throws(run, (error) => isCaissonError(error) && error.code === code);
};

test('ten thousand arguments pass; a hundred thousand, or ten megabytes, do not', () => {
  const many = ['/bin/true', ...Array.from({ length: 10_000 }, (_, i) => `argument ${i}`)];
  const back = [...readFields(encodeJob(job({ argv: many })))].filter((field) => field.tag === 1);
  assert.equal(back.length, 10_001);
  refused('REQUEST_INVALID', () => encodeJob(job({ argv: Array(100_000).fill('x') })));
  refused('REQUEST_INVALID', () => encodeJob(job({ argv: ['x', 'y'.repeat(10 << 20)] })));
  refused('REQUEST_INVALID', () => encodeJob(job({ argv: ['x', 'y'.repeat(131_072)] })));
  encodeJob(job({ argv: ['x', 'y'.repeat(131_071)] }));
  const pieces = Array.from({ length: 100 }, () => 'y'.repeat(104_858));
  refused('REQUEST_INVALID', () => encodeJob(job({ argv: ['x', ...pieces] })));
});

test('NUL bytes, empty commands, names with "=" are refused', () => {
  refused('REQUEST_INVALID', () => encodeJob(job({ argv: ['a\0b'] })));
  refused('REQUEST_INVALID', () => encodeJob(job({ argv: [''] })));
  refused('REQUEST_INVALID', () => encodeJob(job({ env: [['A', 'x\0']] })));
  refused('REQUEST_INVALID', () => encodeJob(job({ env: [['A=B', 'x']] })));
  refused('REQUEST_INVALID', () => encodeJob(job({ env: [['', 'x']] })));
  refused('REQUEST_INVALID', () => encodeJob(job({ cwd: '/a\0' })));
  refused('PLAN_INVALID', () => encodePlan({ ...smallPlan, hostname: 'a\0' }));
  refused('PLAN_INVALID', () => encodePlan({ ...smallPlan, uid: -1 }));
  refused('PLAN_INVALID', () =>
    encodePlan({ ...smallPlan, rlimits: [{ resource: 1, soft: 1n << 64n, hard: 1n }] }),
  );
  for (const wallMs of [-1, 1.5, Number.NaN, 2 ** 64]) {
    refused('REQUEST_INVALID', () => encodeJob(job({ limits: { wallMs } })));
  }
});

test('strings and amounts come back as they went', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }).filter((s) => !s.includes('\0'))),
      fc.nat(Number.MAX_SAFE_INTEGER),
      (strings, amount) => {
        const writer = new FieldWriter();
        for (const value of strings) writer.str(1, value, 's', true);
        writer.u64(2, amount, 'n');
        const fields = [...readFields(writer.finish())];
        assert.deepEqual(
          fields.slice(0, -1).map((field) => readStr(field, true)),
          strings,
        );
        assert.equal(readAmount(fields.at(-1) as (typeof fields)[0]), amount);
      },
    ),
  );
});

test('frames come out whole, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1 }),
      fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.map((bytes, i) => rawFrame(68, i + 1, bytes)));
        const seen: Buffer[] = [];
        const reader = new FrameReader((_type, id, body) => {
          assert.equal(id, seen.length + 1);
          seen.push(Buffer.from(body));
        });
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length] as number;
          reader.push(stream.subarray(at, at + size));
          at += size;
        }
        assert.deepEqual(
          seen.map((each) => [...each]),
          bodies.map((each) => [...each]),
        );
      },
    ),
  );
});

test('random bytes never do more than throw PROTOCOL_ERROR', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        for (const field of readFields(Buffer.from(bytes))) assert.ok(field.body.length <= 200);
        new FrameReader(() => {}).push(Buffer.from(bytes));
      } catch (error) {
        assert.ok(isCaissonError(error) && error.code === 'PROTOCOL_ERROR', String(error));
      }
    }),
  );
});
