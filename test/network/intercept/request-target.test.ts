/** Properties of the reading of paths. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { meansName, parseTarget, readPath } from '../../../src/network/intercept/request-target.ts';

const piece = fc.constantFrom(
  ...[
    'a',
    'admin',
    '.',
    '..',
    '',
    ';',
    ';x',
    '..;',
    '%2e',
    '%2E%2e',
    '%2f',
    '%2F',
    '%5c',
    '%25',
    '%252e',
    '%3b',
    '%',
    '\\',
    '%00',
    '%e2%82%ac',
    '%c0%ae',
    ' ',
    '?',
    '#',
    '*',
  ],
);
const path = fc
  .array(fc.array(piece, { maxLength: 3 }), { maxLength: 6 })
  .map((segments) => `/${segments.map((each) => each.join('')).join('/')}`);

test('what goes on reads as it was read: once more changes nothing', () => {
  let sound = 0;
  fc.assert(
    fc.property(path, (raw) => {
      const read = readPath(raw);
      if (!read.ok) return;
      sound++;
      assert.deepEqual(readPath(read.value.forwarded), read);
    }),
    { numRuns: 5000 },
  );
  assert.ok(sound > 100);
});

test('a server that decodes, cuts parameters, takes %2F for a slash and resolves dots, in any order, ends at a reading', () => {
  const decode = (text: string) => decodeURIComponent(text);
  const cut = (text: string) => text.replace(/;[^/]*/g, '');
  const resolve = (text: string) =>
    new URL(`http://h${text.replace(/[?#]/g, encodeURIComponent)}`).pathname;
  const servers = [
    (text: string) => decode(resolve(text)),
    (text: string) => decode(resolve(cut(text))),
    (text: string) => cut(decode(resolve(text))),
    (text: string) => resolve(cut(decode(text))),
    (text: string) => resolve(text.replaceAll('%2F', '/')),
  ];
  fc.assert(
    fc.property(path, (raw) => {
      const read = readPath(raw);
      if (!read.ok) return;
      const { forwarded, readings } = read.value;
      for (const server of servers) {
        let seen: string;
        try {
          seen = decodeURIComponent(server(forwarded));
        } catch {
          continue;
        }
        assert.ok(!/\/\.{1,2}(\/|$)/.test(seen) && !seen.includes('//'), `${forwarded} is ${seen}`);
        assert.ok(readings.includes(seen), `${forwarded} is ${seen}, not of ${readings}`);
      }
    }),
    { numRuns: 5000 },
  );
});

test('every path that is let through has a reading that begins with a slash', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30, unit: 'binary' }), (text) => {
      const read = readPath(`/${text}`);
      if (!read.ok) return;
      assert.ok(read.value.readings.length > 0);
      assert.ok(read.value.readings.every((each) => each.startsWith('/')));
      assert.match(read.value.forwarded, /^\/[!-~]*$/);
    }),
  );
});

test('targets', () => {
  assert.deepEqual(parseTarget('/a?b?c'), { ok: true, value: { path: '/a', query: '?b?c' } });
  const absolute = parseTarget('HTTPS://h:1?q');
  assert.ok(absolute.ok);
  assert.deepEqual(absolute.value.origin, { scheme: 'https', authority: 'h:1' });
  assert.equal(parseTarget('a.b:443').ok, false);
  assert.equal(parseTarget('/a#b').ok, false);
});

test('authorities', () => {
  for (const same of ['app.test', 'APP.test', 'app.test.', 'app.test:443']) {
    assert.ok(meansName(same, 'app.test', 443), same);
  }
  for (const other of [
    '',
    'app.test:80',
    'app.test:',
    'x.app.test',
    'app.test.evil',
    'u@app.test',
    'app.test/',
    'app.test, b',
    'app.test:443:443',
    'app.test\0',
  ]) {
    assert.ok(!meansName(other, 'app.test', 443), other);
  }
  assert.ok(meansName('[::1]:80', '::1', 80));
});
