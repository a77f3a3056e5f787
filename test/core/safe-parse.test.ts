/** Whatever JSON holds, a schema says whether it fits. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as z from 'zod';
import { parseEnvelope } from '../../src/admission/signing/envelope.ts';
import { isBytes } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import { safeParse } from '../../src/core/safe-parse.ts';
import { validateDocument } from '../../src/policy/validate.ts';
import { parse } from '../../src/server/http/parse.ts';

const src = join(import.meta.dirname, '../../src');

/** Comparing it with a number throws. */
const HOSTILE = JSON.parse('{"length": {"toString": 1, "valueOf": 2}}');

test('an object whose length is none is refused where a text or a list is due', () => {
  for (const schema of [
    z.string().min(1),
    z.array(z.string()).max(3),
    z.object({ a: z.string().max(4) }),
  ]) {
    const value = schema instanceof z.ZodObject ? { a: HOSTILE } : HOSTILE;
    assert.throws(() => schema.safeParse(value), TypeError, 'zod reads it by now: this may go');
    const { success, error } = safeParse(schema as z.ZodType, value);
    assert.equal(success, false);
    assert.match(error?.issues[0]?.message ?? '', /cannot be read: Cannot convert object/);
  }
  const { error } = safeParse(z.object({ a: z.string() }), {
    get a() {
      throw new Error('not now');
    },
  });
  assert.match(error?.issues[0]?.message ?? '', /cannot be read: not now/);
  assert.deepEqual(safeParse(z.string(), 'a').data, 'a');
});

test('no route, policy or envelope has a fault of its own with one', () => {
  let asked = 0;
  for (const { id, body, query, params } of routes) {
    for (const schema of [body, query, params]) {
      if (schema === undefined || isBytes(schema)) continue;
      const { shape = {} } = schema._zod.def as { shape?: Record<string, unknown> };
      const names = Object.keys(shape);
      const values = [HOSTILE, ...names.map((name) => ({ [name]: HOSTILE }))];
      for (const value of values) {
        asked++;
        try {
          parse(schema as never, value, 'it');
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'REQUEST_INVALID', `${id}: ${error}`);
        }
      }
    }
  }
  assert.ok(asked > 100, `${asked}`);
  for (const document of [HOSTILE, { name: HOSTILE }, { filesystem: { read: HOSTILE } }])
    assert.equal(validateDocument({ version: 1, ...document }).ok, false);
  assert.throws(
    () => parseEnvelope({ payload: HOSTILE, payloadType: HOSTILE, signatures: HOSTILE }),
    {
      name: 'CaissonError',
    },
  );
});

test('nothing but `safeParse` asks a schema', () => {
  const calls = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .filter((path) => readFileSync(join(src, path), 'utf8').includes('.safeParse('));
  assert.deepEqual(calls, ['core/safe-parse.ts']);
});
