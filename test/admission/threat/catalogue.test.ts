import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { FOLDS } from '../../../src/admission/threat/catalogue/decoders.ts';
import { isBareAddress } from '../../../src/admission/threat/catalogue/places.ts';
import { effectsOf, entryOf, namedPaths } from '../../../src/admission/threat/catalogue.ts';
import type { Value } from '../../../src/admission/threat/facts.ts';

const value = (constant: Value['constant']): Value => ({ constant, labels: 0, origins: [] });
const fold = (name: keyof typeof FOLDS, ...args: Value['constant'][]): Value['constant'] =>
  FOLDS[name](args.map(value), undefined);

test('hundreds of names a language, each with a path of its kind', () => {
  assert.ok(namedPaths('javascript').length > 800);
  assert.ok(namedPaths('python').length > 600);
  assert.ok(namedPaths('shell').length > 250);
  for (const path of namedPaths('javascript'))
    assert.match(path, /^((node:|npm:|global\.|com:|\?\.)\S+|global\[\])$/);
  for (const path of namedPaths('python')) assert.match(path, /^(py:|\?\.)\S+$/);
  for (const path of namedPaths('shell')) assert.match(path, /^sh:\S+$/);
});

test('an entry holds for what stands below it, and not beside it', () => {
  assert.equal(entryOf('javascript', 'npm:axios.create().post')?.family, 'network');
  assert.equal(entryOf('javascript', 'node:fs/promises.readFile')?.family, 'filesystem');
  assert.equal(entryOf('javascript', 'npm:axiosity.post'), undefined);
  assert.equal(entryOf('javascript', 'node:fsx.readFile'), undefined);
  assert.equal(entryOf('python', 'py:requests.structures.CaseInsensitiveDict'), undefined);
  assert.equal(entryOf('javascript', 'py:os.system'), undefined);
  assert.equal(entryOf('javascript', ''), undefined);
  assert.equal(effectsOf('typescript')('global.eval')?.fold, undefined);
});

test('decoders: what they make of texts, and nothing of what they cannot', () => {
  assert.equal(fold('base64', 'aGVsbG8='), 'hello');
  assert.equal(fold('base64', 'not base64!'), undefined);
  assert.equal(fold('hex', '68656c6c6f'), 'hello');
  assert.equal(fold('hex', '686'), undefined);
  assert.equal(fold('base32', 'NBSWY3DP'), 'hello');
  assert.equal(fold('rot13', 'uryyb'), 'hello');
  assert.equal(fold('percent', '%68%65llo%u0021'), 'hello!');
  assert.equal(fold('fromCodes', 104, 105), 'hi');
  assert.equal(fold('fromCodes', '104 105'), 'hi');
  assert.equal(fold('fromCodes', -1), undefined);
  assert.equal(fold('fromCodes', 0x110000), undefined);
  assert.equal(fold('reversed', 'olleh'), 'hello');
  assert.equal(fold('decodeAs', 'aGVsbG8=', 'base64'), 'hello');
  assert.equal(fold('decodeAs', 'hello', 'utf8'), 'hello');
  assert.equal(fold('unpack', gzipSync('hello').toString('latin1')), 'hello');
  assert.equal(fold('unpack', deflateRawSync('hello').toString('latin1')), 'hello');
  for (const name of Object.keys(FOLDS) as (keyof typeof FOLDS)[]) {
    assert.equal(fold(name), undefined);
    assert.equal(fold(name, null), undefined);
  }
});

test('decoders: an archive that unpacks to gigabytes is not unpacked', () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024)).toString('latin1');
  assert.equal(fold('unpack', bomb), undefined);
});

test('bare addresses: of others, in addresses of pages and alone; no versions, no networks of one’s own', () => {
  for (const text of [
    'http://203.0.113.7/x',
    '203.0.113.7',
    'tcp://203.0.113.7:80',
    'http://u:p@203.0.113.7',
  ]) {
    assert.ok(isBareAddress(text), text);
  }
  for (const text of [
    '127.0.0.1',
    '10.1.2.3',
    '192.168.1.1',
    '172.16.0.1',
    '1.2.3.4',
    '8.8.8.8',
    '300.1.1.1',
    '0.0.0.0',
    '1.22.3',
    'http://a.example.invalid/203.0.113.7',
  ]) {
    assert.ok(!isBareAddress(text), text);
  }
});
