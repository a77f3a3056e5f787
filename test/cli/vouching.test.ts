/** What somebody at a terminal says for the code that `run` and `eval` are given. */
import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from '../wasm/build-module.ts';
import { makePlace } from './caisson.ts';

const place = makePlace();
after(() => place[Symbol.dispose]());
const at = (name: string): string => join(place.work, name);

function ok(...args: string[]): string {
  const { status, stdout, stderr } = place.caisson(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

function fails(exit: number, said: RegExp, ...args: string[]): void {
  const { status, stdout, stderr } = place.caisson(args);
  assert.match(stderr, said);
  assert.deepEqual([status, stdout], [exit, '']);
}

const sign = (...args: string[]): void => {
  ok('sign', '--key', 'alice.key', ...args);
};

before(() => {
  ok('keys', 'generate', '.', '--name', 'alice');
  ok('keys', 'trust', 'alice', '--key', 'alice.pub');
  writeFileSync(
    at('signed.yaml'),
    'version: 1\nlevel: moderate\nadmission: { requires: signature, signers: [alice], scan: off }\n',
  );
  writeFileSync(at('scanned.yaml'), 'version: 1\nlevel: moderate\nadmission: {}\n');
});

describe('caisson run', () => {
  const echo = ['--', 'sh', '-c', 'echo it ran >mark; echo said'];
  const policy = ['run', '--policy', 'signed.yaml'];

  test('a signed command runs under the id it was signed as, and no other does', () => {
    sign('--id', 'hello', '--module-version', '1.0.0', '-o', 'hello.sig', ...echo);
    const signature = ['--signature', 'hello.sig'];
    const named = [...signature, '--id', 'hello@1.0.0'];
    fails(77, /no signature/, ...policy, ...echo);
    fails(77, /signed as hello@1\.0\.0, and this is "sh"/, ...policy, ...signature, ...echo);
    fails(77, /"hello@2"/, ...policy, ...signature, '--id', 'hello@2', ...echo);
    fails(77, /other code was signed/, ...policy, ...named, ...echo, 'more');
    assert.ok(!readdirSync(place.work).includes('mark'));
    const { admission } = JSON.parse(ok(...policy, '--json', ...named, ...echo));
    assert.deepEqual([admission.decision, admission.signer.name], ['admitted', 'alice']);
    assert.ok(readdirSync(place.work).includes('mark'));
    // Each time: a run that is known already is asked again.
    assert.equal(ok(...policy, ...named, ...echo), 'said\n');
    fails(77, /no signature/, ...policy, ...echo);
  });

  test('another registry of signers; several signatures, of which one counts', () => {
    sign('--id', 'hello', '-o', 'again.sig', ...echo);
    sign('--id', 'other', '-o', 'other.sig', ...echo);
    const named = ['--signature', 'other.sig', '--signature', 'again.sig', '--id', 'hello'];
    assert.equal(ok(...policy, ...named, ...echo), 'said\n');
    ok('keys', 'trust', 'carol', '--key', 'alice.pub', '--trust', 'other.yaml');
    fails(77, /./, ...policy, ...named, '--trust', 'other.yaml', ...echo);
  });

  test('limits that were signed hold for the run', () => {
    sign('--id', 'short', '--timeout', '5s', '-o', 'short.sig', ...echo);
    const named = ['--signature', 'short.sig', '--id', 'short'];
    fails(77, /timeoutMs/, ...policy, ...named, '--timeout', '6s', ...echo);
    assert.equal(ok(...policy, ...named, '--timeout', '5s', ...echo), 'said\n');
  });

  test('what it declares counts as far as the policy lets it, and it declares nothing else', () => {
    const curl = ['--', 'sh', '-c', 'true || curl -s http://nobody.invalid/x'];
    const lets = 'version: 1\nlevel: moderate\nadmission: { declares: [network] }\n';
    writeFileSync(at('lets.yaml'), lets);
    const admission = (policy: string, ...flags: string[]) =>
      JSON.parse(ok('run', '-p', policy, '--json', ...flags, ...curl)).admission;
    const greedy = admission('scanned.yaml', '--declare', 'network');
    assert.equal(greedy.decision, 'strengthened');
    assert.match(greedy.reasons.join(), /network, which the policy lets no code declare/);
    assert.equal(admission('lets.yaml').decision, 'admitted');
    assert.equal(admission('lets.yaml', '--declare', 'network').decision, 'admitted');
    assert.equal(admission('lets.yaml', '--declare', 'environment').decision, 'strengthened');
    fails(64, /not one of/, 'run', '-p', 'lets.yaml', '--declare', 'all', ...curl);
  });

  test('where nobody asks it would count for nothing: refused, and nothing runs', () => {
    writeFileSync(at('any.sig'), '{}');
    for (const flag of [
      ['--signature', 'any.sig'],
      ['--id', 'x'],
      ['--declare', 'network'],
      ['--trust', 'other.yaml'],
    ]) {
      fails(64, /would count for nothing/, 'run', '-w', '.', ...flag, '--', 'touch', 'ran');
      fails(64, /would count for nothing/, 'eval', 'javascript', '1', ...flag);
    }
    assert.ok(!readdirSync(place.work).includes('ran'));
    fails(66, /missing\.sig/, ...policy, '--signature', 'missing.sig', ...echo);
  });
});

describe('caisson eval', () => {
  const policy = ['--policy', 'signed.yaml'];

  test('a signed file of each language, by its name; one byte more is refused', () => {
    const sources: readonly (readonly [string, string, string])[] = [
      ['javascript', 'a.js', 'export default (n) => n * 2'],
      ['typescript', 'a.ts', 'export default (n: number): number => n * 2'],
      ['python', 'a.py', 'import json, sys\nprint(json.load(sys.stdin) * 2)\n'],
      ['shell', 'a.sh', 'read n; echo $((n * 2))\n'],
    ];
    for (const [language, file, code] of sources) {
      writeFileSync(at(file), code);
      sign(file);
      const words = ['eval', language, '--file', file, '--input', '21', ...policy];
      const signed = [...words, '--signature', `${file}.sig`];
      assert.equal(ok(...signed).trim(), '42', language);
      fails(77, /no signature/, ...words);
      fails(77, /signed as a\.\w+, and this is "b"/, ...signed, '--id', 'b');
      appendFileSync(at(file), ' ');
      fails(77, /other code was signed/, ...signed);
    }
  });

  test('WebAssembly with a certificate: the policy that requires a proof admits it, and no other', () => {
    writeFileSync(
      at('twice.wasm'),
      build({
        functions: [
          {
            export: 'twice',
            parameters: ['i32'],
            results: ['i32'],
            code: [['local.get', 0], ['i32.const', 2], ['i32.mul']] as never,
          },
        ],
      }),
    );
    ok('prove', 'twice.wasm');
    writeFileSync(at('proof.yaml'), 'version: 1\nadmission: { requires: proof }\n');
    const words = ['--export', 'twice', '--input', '21', '--policy', 'proof.yaml'];
    const proved = ['eval', 'wasm', '--file', 'twice.proved.wasm', ...words];
    const certificate = ['--certificate', 'twice.proved.wasm.pcc'];
    fails(77, /no certificate/, ...proved);
    assert.equal(ok(...proved, ...certificate), '42\n');
    const { admission } = JSON.parse(ok(...proved, ...certificate, '--json'));
    assert.equal(admission.proof.format, 'wasm-pcc/v1');
    fails(77, /certificate/, 'eval', 'wasm', '--file', 'twice.wasm', ...words, ...certificate);
    fails(64, /are for wasm, not for javascript/, 'eval', 'javascript', '1', ...certificate);
    // Without a policy that asks, the engine checks it all the same.
    const plain = ['--export', 'twice', '--input', '21', ...certificate];
    assert.equal(ok('eval', 'wasm', '--file', 'twice.proved.wasm', ...plain), '42\n');
    const lie = place.caisson(['eval', 'wasm', '--file', 'twice.wasm', ...plain]);
    assert.notEqual(lie.status, 0);
    assert.doesNotMatch(lie.stdout, /42/);
  });
});
