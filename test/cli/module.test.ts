/** `caisson module`: what is registered by one process is executed by another. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { build } from '../wasm/build-module.ts';
import { makePlace, type Place } from './caisson.ts';

const GREET =
  'export default (who) => { console.log("greeting"); return "hello " + who }; export const size = (a) => a.length';

function json(place: Place, ...args: string[]): Record<string, unknown> {
  return JSON.parse(place.caisson([...args.slice(0, 2), '--json', ...args.slice(2)]).stdout);
}

describe('caisson module', () => {
  test('registers, lists, runs, inspects, disables, enables, removes', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'greet.js'), GREET);
    const registered = place.caisson(['module', 'register', 'greet@1.0.0', 'greet.js']);
    assert.equal(registered.status, 0, registered.stderr);
    const digest = createHash('sha256').update(GREET).digest('hex');
    assert.equal(registered.stdout, `greet@1.0.0  js  ${GREET.length}B  sha256:${digest}\n`);
    const again = place.caisson(['module', 'register', 'greet@1.0.0', 'greet.js']);
    assert.match(again.stderr, /registered already/);

    const listed = place.caisson(['module', 'list']);
    assert.match(
      listed.stdout,
      /^MODULE .*\ngreet@1\.0\.0 +javascript +enabled +nothing +\d+B +no +\w{12}\n$/,
    );
    const { modules } = json(place, 'module', 'list', 'greet');
    assert.equal((modules as { digest: string }[])[0]?.digest, digest);

    const run = place.caisson(['module', 'run', 'greet', '--input', '"world"']);
    assert.deepEqual([run.status, run.stdout], [0, 'greeting\n"hello world"\n'], run.stderr);
    const sized = place.caisson(['module', 'run', 'greet', '-x', 'size', '-i', '[1,2,3]']);
    assert.equal(sized.stdout, '3\n');
    const result = json(place, 'module', 'run', 'greet@1.0.0', '-i', '1');
    assert.deepEqual(
      [result.value, (result.admission as { decision: string }).decision, result.kind],
      ['hello 1', 'admitted', 'exited'],
    );
    assert.deepEqual(result.module, { id: 'greet', version: '1.0.0', digest });

    const inspected = place.caisson(['module', 'inspect', 'greet']);
    assert.match(inspected.stdout, /executions +3, succeeded 3\n/);
    assert.equal(place.caisson(['module', 'inspect', 'greet', '--code']).stdout, GREET);
    const { statistics } = json(place, 'module', 'inspect', 'greet');
    assert.equal((statistics as { executions: number }).executions, 3);

    assert.equal(place.caisson(['module', 'disable', 'greet']).stdout, 'greet@1.0.0 is disabled\n');
    const refused = place.caisson(['module', 'run', 'greet']);
    assert.equal(refused.status, 77);
    assert.match(
      refused.stderr,
      /is disabled\n {2}enable it \(caisson module enable greet@1\.0\.0\)/,
    );
    assert.equal(place.caisson(['module', 'list', '--enabled']).stdout, '');
    assert.equal(place.caisson(['module', 'enable', 'greet']).status, 0);

    assert.equal(place.caisson(['module', 'remove', 'greet']).status, 64);
    assert.equal(place.caisson(['module', 'remove', 'greet@1.0.0']).status, 0);
    assert.equal(place.caisson(['module', 'run', 'greet']).status, 66);
    writeFileSync(join(place.work, 'other.js'), 'export default 1');
    const other = place.caisson(['module', 'register', 'greet@1.0.0', 'other.js']);
    assert.deepEqual([other.status, other.stdout], [73, '']);
  });

  test('takes commands as words, hands on words and stdin, and passes exit codes on', () => {
    using place = makePlace();
    const words = ['sh', '-c', 'cat; echo "$1"; exit 3', 'sh'];
    const registered = place.caisson(['module', 'register', 'c@1.0.0', '-t', '5s', '--', ...words]);
    assert.equal(registered.status, 0, registered.stderr);
    const run = place.caisson(['module', 'run', 'c', '--stdin', '--', '--flag'], { input: 'in\n' });
    assert.deepEqual([run.status, run.stdout], [3, 'in\n--flag\n'], run.stderr);
    assert.equal(place.caisson(['module', 'run', 'c', '-i', '1', '--', 'x']).status, 64);
    const { module } = json(
      place,
      'module',
      'register',
      'd@1.0.0',
      '--metadata',
      '{"a":[1]}',
      '--',
      'true',
    );
    assert.deepEqual((module as { metadata: object }).metadata, { a: [1] });
  });

  test('takes WebAssembly and TypeScript by the names of their files', () => {
    using place = makePlace();
    const code = build({
      functions: [{ results: ['i32'], code: [['i32.const', 42]], export: 'f' }],
    });
    writeFileSync(join(place.work, 'a.wasm'), code);
    assert.equal(place.caisson(['module', 'register', 'a@1.0.0', 'a.wasm', '-x', 'f']).status, 0);
    assert.equal(place.caisson(['module', 'run', 'a']).stdout, '42\n');
    assert.match(place.caisson(['module', 'inspect', 'a']).stdout, /exports +f \(\) -> \(i32\)\n/);
    writeFileSync(join(place.work, 'b.ts'), 'export default (n: number): number => n + 1');
    assert.equal(place.caisson(['module', 'register', 'b@1.0.0', 'b.ts']).status, 0);
    assert.equal(place.caisson(['module', 'run', 'b', '-i', '41']).stdout, '42\n');
    assert.equal(place.caisson(['module', 'register', 'x@1.0.0', 'b.txt']).status, 64);
  });

  test('verifies signatures', () => {
    using place = makePlace();
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(place.work, 'a.js'), 'export default 1');
    writeFileSync(join(place.work, 'b.js'), 'export default 2');
    writeFileSync(join(place.work, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    const digest = createHash('sha256').update('export default 1').digest();
    writeFileSync(join(place.work, 'sig'), sign(null, digest, privateKey));
    const flags = ['--signature', 'sig', '--public-key', 'key.pub'];
    const good = json(place, 'module', 'register', 'a@1.0.0', 'a.js', ...flags);
    assert.equal((good.module as { signed: string }).signed, 'verified');
    const bad = place.caisson(['module', 'register', 'b@1.0.0', 'b.js', ...flags]);
    assert.equal(bad.status, 65);
    assert.match(bad.stderr, /signature/);
  });

  test('refuses what it cannot take, with the place in the code', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'bad.js'), 'const a = 1;\nconst \u001b[2J = 2;');
    const bad = place.caisson(['module', 'register', 'bad@1.0.0', 'bad.js']);
    assert.equal(bad.status, 65);
    assert.match(bad.stderr, /bad@1\.0\.0\.js:2:7: /);
    assert.ok(!bad.stderr.includes('\u001b'));
    for (const args of [
      ['Bad@1.0.0', 'bad.js'],
      ['a', 'bad.js'],
      ['a@1', 'bad.js'],
      ['a@1.0.0'],
      ['a@1.0.0', 'bad.js', '--timeout', '31s'],
      ['a@1.0.0', 'bad.js', '--memory', '513MiB'],
      ['a@1.0.0', 'bad.js', '--metadata', '{"__proto__": 1}'],
      ['a@1.0.0', 'bad.js', '--metadata', '{'],
    ]) {
      const { status, stderr } = place.caisson(['module', 'register', ...args]);
      assert.equal(status, 64, `${args}: ${stderr}`);
    }
    assert.equal(place.caisson(['module', 'register', 'a@1.0.0', 'gone.js']).status, 66);
    const { error } = json(place, 'module', 'register', 'a@1.0.0', 'bad.js');
    assert.equal((error as { code: string }).code, 'MODULE_CODE_INVALID');
  });

  test('keeps its registry where it is told, and leaves a damaged one alone', () => {
    using place = makePlace();
    const store = join(place.work, 'here.db');
    assert.equal(
      place.caisson(['module', 'register', 'a@1.0.0', '--store', store, '--', 'true']).status,
      0,
    );
    assert.ok(existsSync(store));
    assert.match(place.caisson(['module', 'list']).stderr, /no such module/);
    writeFileSync(store, 'not a database, of some length that is read');
    const broken = place.caisson(['module', 'list', '--store', store]);
    assert.equal(broken.status, 74);
    assert.match(broken.stderr, /cannot be used/);
  });
});
