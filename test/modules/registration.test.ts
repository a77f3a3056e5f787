/** What can be registered, and what is refused before anything looks at the code. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import * as z from 'zod/mini';
import { identityOf, registrationOf } from '../../src/modules/module-manifest.ts';
import {
  ceilingsSchema,
  type ModuleRegistration,
  referenceSchema,
  registrationSchema,
} from '../../src/modules/module-schemas.ts';

const ceilings = ceilingsSchema.parse({});
const plain = { id: 'a', version: '1.0.0', kind: 'js', code: 'export default 1' } as const;

/** Every problem of a request, by the code of its error. */
function refused(more: object, code: string, reason: RegExp): void {
  assert.throws(
    () => registrationOf({ ...plain, ...more } as ModuleRegistration, ceilings),
    (error: { code: string; message: string; layer: string }) => {
      assert.deepEqual([error.code, error.layer], [code, 'modules'], error.message);
      assert.match(error.message, reason);
      return true;
    },
  );
}

describe('a registration', () => {
  test('has limits and the rest filled in', () => {
    const { manifest, code } = registrationOf(plain, ceilings);
    assert.deepEqual(manifest, {
      id: 'a',
      version: '1.0.0',
      kind: 'js',
      language: 'javascript',
      digest: createHash('sha256').update('export default 1').digest('hex'),
      codeBytes: 16,
      export: 'default',
      keep: 'nothing',
      limits: { timeoutMs: 30_000, cpuMs: 5000, memoryBytes: 128 * 2 ** 20 },
      metadata: {},
    });
    assert.equal(Buffer.from(code).toString(), plain.code);
    const low = registrationOf(plain, { ...ceilings, timeoutMs: 700, memoryBytes: 2 ** 24 });
    assert.deepEqual(low.manifest.limits, { timeoutMs: 700, cpuMs: 700, memoryBytes: 2 ** 24 });
  });

  test('has a name and a version of a known form', () => {
    for (const id of ['a', '0', 'a-b_c.d', 'a'.repeat(64)])
      registrationOf({ ...plain, id }, ceilings);
    const bad = ['', 'A', '-a', '.a', '_', 'a/b', '../a', 'a b', 'a@1', 'ä', 'a\n', 'a'.repeat(65)];
    for (const id of [...bad, 7, null, undefined, ['a']])
      refused({ id }, 'REQUEST_INVALID', /id: /);
    for (const version of ['1', 'latest', '1.0.0\n', `1.0.0-${'a'.repeat(60)}`, 1])
      refused({ version }, 'REQUEST_INVALID', /version: /);
    refused({ id: 'A', version: 'x' }, 'REQUEST_INVALID', /id: .*version: /);
  });

  test('has no keys that nobody knows, and none that pose as others', () => {
    refused({ codes: 1 }, 'REQUEST_INVALID', /there is no "codes"/);
    const posing = JSON.parse('{"__proto__": {"kind": "command"}}');
    refused(
      Object.defineProperty({}, '__proto__', { value: 1, enumerable: true }),
      'REQUEST_INVALID',
      /./,
    );
    assert.throws(
      () => registrationOf(Object.assign(posing, plain), ceilings),
      /REQUEST|__proto__/,
    );
    refused({ metadata: JSON.parse('{"__proto__": {}}') }, 'REQUEST_INVALID', /__proto__/);
    const throwing = Object.defineProperty({ ...plain }, 'code', {
      get: () => {
        throw new Error('no');
      },
      enumerable: true,
    });
    assert.throws(() => registrationOf(throwing, ceilings), { code: 'REQUEST_INVALID' });
  });

  test('has code of its kind, and not too much', () => {
    registrationOf({ ...plain, code: ' '.repeat(100_000) }, ceilings);
    refused({ code: ' '.repeat(100_001) }, 'MODULE_TOO_LARGE', /100001 bytes, and 100000/);
    refused({ code: 'ä'.repeat(50_001) }, 'MODULE_TOO_LARGE', /100002 bytes/);
    refused({ kind: 'wasm', code: new Uint8Array(100_001) }, 'MODULE_TOO_LARGE', /100001/);
    refused({ kind: 'command', code: ['x'.repeat(100_001)] }, 'MODULE_TOO_LARGE', /./);
    refused({ code: '' }, 'MODULE_CODE_INVALID', /empty/);
    refused({ code: 'a = "\ud800"' }, 'MODULE_CODE_INVALID', /Unicode/);
    refused({ code: Uint8Array.of(0xff) }, 'MODULE_CODE_INVALID', /Unicode/);
    refused({ code: ['a'] }, 'REQUEST_INVALID', /js module is a text/);
    refused({ kind: 'wasm', code: 'no base64!' }, 'REQUEST_INVALID', /base64/);
    refused({ kind: 'exe' }, 'REQUEST_INVALID', /js, wasm, command/);
    const wasm = registrationOf({ ...plain, kind: 'wasm', code: 'AGFzbQEAAAA=\n' }, ceilings);
    assert.deepEqual([...wasm.code], [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  });

  test('of a command has an argv', () => {
    const command = (code: unknown) => ({ kind: 'command', code });
    const { code } = registrationOf({ ...plain, kind: 'command', code: ['ls', '-l'] }, ceilings);
    assert.equal(Buffer.from(code).toString(), '["ls","-l"]');
    refused(command('ls -l'), 'REQUEST_INVALID', /list of texts/);
    refused(command([]), 'MODULE_CODE_INVALID', /no name/);
    refused(command(['']), 'MODULE_CODE_INVALID', /no name/);
    refused(command(['a\0b']), 'MODULE_CODE_INVALID', /NUL/);
    refused(command(['a', 7]), 'REQUEST_INVALID', /code/);
    refused(command(new Array(257).fill('a')), 'MODULE_CODE_INVALID', /256/);
    refused({ ...command(['a']), keep: 'context' }, 'REQUEST_INVALID', /nothing stays/);
    refused({ ...command(['a']), export: 'x' }, 'REQUEST_INVALID', /exports nothing/);
    refused({ ...command(['a']), language: 'typescript' }, 'REQUEST_INVALID', /no language/);
  });

  test('stays below the ceilings, all of which it is told', () => {
    const limits = { timeoutMs: 30_001, memoryBytes: 2 ** 29 + 1 };
    refused({ limits }, 'REQUEST_INVALID', /timeoutMs is 30s1ms, and 30s .*memoryBytes .* 512MiB/);
    refused({ limits: { timeoutMs: 10, cpuMs: 11 } }, 'REQUEST_INVALID', /cpuMs is above/);
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5'])
      refused({ limits: { timeoutMs: value } }, 'REQUEST_INVALID', /timeoutMs/);
    refused({ limits: { cpu: 1 } }, 'REQUEST_INVALID', /limits: there is no "cpu"/);
    const most = { timeoutMs: 30_000, memoryBytes: 2 ** 29 };
    assert.equal(registrationOf({ ...plain, limits: most }, ceilings).manifest.limits.cpuMs, 5000);
  });

  test('is the same whatever the order of its keys', () => {
    const one = registrationOf({ ...plain, metadata: { a: 1, b: { c: 2, d: 3 } } }, ceilings);
    const other = registrationOf({ ...plain, metadata: { b: { d: 3, c: 2 }, a: 1 } }, ceilings);
    assert.equal(one.identity, other.identity);
    const { manifest } = one;
    assert.notEqual(identityOf({ ...manifest, keep: 'context' }), one.identity);
    assert.notEqual(identityOf({ ...manifest, metadata: { a: 1 } }), one.identity);
  });
});

describe('a signature', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
  const digest = createHash('sha256').update(plain.code).digest();
  const signature = sign(null, digest, privateKey).toString('base64');

  test('by the key that is given is taken', () => {
    const { manifest } = registrationOf({ ...plain, signature, publicKey: pem }, ceilings);
    assert.deepEqual([manifest.signature, manifest.publicKey], [signature, pem]);
    assert.equal(registrationOf({ ...plain, signature }, ceilings).manifest.publicKey, undefined);
  });

  test('of other code or by another key is refused', () => {
    refused({ code: 'export default 2', signature, publicKey: pem }, 'MODULE_SIGNATURE_WRONG', /./);
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
    refused({ signature, publicKey: String(other) }, 'MODULE_SIGNATURE_WRONG', /./);
    const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    refused({ signature: flipped, publicKey: pem }, 'MODULE_SIGNATURE_WRONG', /./);
  });

  test('and key have a known form', () => {
    for (const bad of ['', 'AAAA', `${signature}AAAA`, signature.replace('==', '')])
      refused({ signature: bad }, 'REQUEST_INVALID', /64 bytes/);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    refused(
      { publicKey: String(rsa.export({ type: 'spki', format: 'pem' })) },
      'REQUEST_INVALID',
      /rsa/,
    );
    const secret = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    refused({ publicKey: secret }, 'REQUEST_INVALID', /no PUBLIC KEY/);
    refused({ publicKey: 'x' }, 'REQUEST_INVALID', /no PUBLIC KEY/);
  });
});

test('a reference is an id, or an id and a version', () => {
  for (const good of ['a', 'a@1.0.0', 'a@1.0.0-b+c'])
    assert.ok(referenceSchema.safeParse(good).success);
  for (const bad of ['', '@1.0.0', 'a@', 'a@1', 'A', 'a@1.0.0@2.0.0', '__proto__', 7])
    assert.ok(!referenceSchema.safeParse(bad).success, String(bad));
});

test('a service can publish the schemas, each field described', () => {
  const { properties } = z.toJSONSchema(registrationSchema, {
    io: 'input',
    unrepresentable: 'any',
  }) as { properties: Record<string, { description?: string }> };
  for (const [name, { description }] of Object.entries(properties)) assert.ok(description, name);
});
