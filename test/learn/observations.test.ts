/** Records to observations: what is an input, and what the run made itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathOp, TracedState, TraceRecord } from '../../src/launcher/trace-record.ts';
import { Links } from '../../src/learn/links.ts';
import { Observer } from '../../src/learn/observations.ts';

const O_RDWR = 2;
const WRITE_NEW = 0o1101;
const APPEND = 0o2001;

function path(op: PathOp, state: TracedState, at: string, flags = 0, to?: string): TraceRecord {
  const record = { kind: 'path', op, state, flags, path: at } as const;
  return to === undefined ? record : { ...record, to };
}

function observe(records: readonly TraceRecord[], links: Readonly<Record<string, string>> = {}) {
  const observer = new Observer(new Links((at) => links[at]), () => 'asked.example');
  for (const record of records) observer.note(record);
  return observer.result();
}

function uses(records: readonly TraceRecord[], links?: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    [...observe(records, links).paths].map(([at, use]) => [
      at,
      Object.entries(use)
        .flatMap(([name, value]) => (value === true ? [name] : []))
        .join(' '),
    ]),
  );
}

test('what the run made is no input when it reads it again', () => {
  const found = uses([
    path('open', '-', '/w/a.o', WRITE_NEW),
    path('open', 'f', '/w/a.o'),
    path('mkdir', '-', '/w/build'),
    path('open', '-', '/w/build/b.o', WRITE_NEW),
    path('open', 'f', '/w/build/b.o'),
    path('stat', 'f', '/w/build/b.o'),
  ]);
  assert.deepEqual(found, {
    '/w/a.o': 'written created',
    '/w/build': 'written created',
    '/w/build/b.o': 'written created',
  });
});

test('what was there is an input as far as it was read before it was replaced', () => {
  const found = uses([
    path('open', 'f', '/w/emptied', WRITE_NEW),
    path('open', 'f', '/w/emptied'),
    path('open', 'f', '/w/appended', APPEND),
    path('open', 'f', '/w/in-place', O_RDWR),
    path('unlink', 'f', '/w/removed'),
    path('open', 'f', '/w/read-first'),
    path('open', 'f', '/w/read-first', WRITE_NEW),
    path('attribute', 'f', '/w/touched'),
  ]);
  assert.deepEqual(found, {
    '/w/emptied': 'written',
    '/w/appended': 'read written',
    '/w/in-place': 'read written',
    '/w/removed': 'written deleted',
    '/w/read-first': 'read written',
    '/w/touched': 'read written',
  });
});

test('a rename moves what was there, or what the run made', () => {
  const found = uses([
    path('open', '-', '/w/new', WRITE_NEW),
    path('rename', 'f', '/w/new', 0, '/w/final'),
    path('open', 'f', '/w/final'),
    path('rename', 'f', '/w/old', 0, '/w/older'),
    path('link', 'f', '/w/one', 0, '/w/two'),
  ]);
  assert.deepEqual(found, {
    '/w/new': 'written created deleted',
    '/w/final': 'written created',
    '/w/old': 'read written deleted',
    '/w/older': 'written created',
    '/w/one': 'read',
    '/w/two': 'written created',
  });
});

test('links on the way are noted, and the place behind them is what was used', () => {
  const links = { '/w/now': 'v2', '/w/up': '../shared/x', '/w/abs': '/etc' };
  const found = uses(
    [
      path('open', 'f', '/w/now/./lib/../file'),
      path('open', 'f', '/w/up'),
      path('stat', 'l', '/w/up'),
      path('open', 'f', '/w/abs/motd'),
    ],
    links,
  );
  assert.deepEqual(found, {
    '/w/now': 'looked',
    '/w/v2/file': 'read',
    '/w/up': 'looked',
    '/shared/x': 'read',
    '/w/abs': 'looked',
    '/etc/motd': 'read',
  });
});

test('links that lead in circles end', () => {
  const found = uses([path('open', '-', '/w/a')], { '/w/a': 'b', '/w/b': 'a' });
  assert.deepEqual(Object.keys(found).sort(), ['/w/a', '/w/b']);
});

test('nothing there is no use; a directory that is opened is listed', () => {
  const found = uses([
    path('open', '-', '/w/missing.h'),
    path('exec', '-', '/opt/make'),
    path('open', 'd', '/w/src'),
    path('exec', 'f', '/w/run.sh'),
  ]);
  assert.deepEqual(found, {
    '/w/missing.h': '',
    '/opt/make': '',
    '/w/src': 'listed',
    '/w/run.sh': 'read executed',
  });
});

test('connections, ports and names; a port that the kernel chose is no port to publish', () => {
  const net = (op: 'connect' | 'bind' | 'listen', type: number, port: number, address: string) =>
    ({ kind: 'net', op, type, family: '4', port, address }) as const;
  const seen = observe([
    net('connect', 1, 443, '192.0.2.1'),
    net('connect', 2, 53, '192.0.2.53'),
    net('connect', 2, 0, '192.0.2.1'),
    net('bind', 1, 8080, '0.0.0.0'),
    net('listen', 1, 8080, '0.0.0.0'),
    net('bind', 1, 0, '0.0.0.0'),
    net('listen', 1, 40_001, '0.0.0.0'),
    { kind: 'dns', query: new Uint8Array() },
    net('connect', 1, 443, '192.0.2.1'),
  ]);
  assert.deepEqual(seen.connections, [
    {
      address: '192.0.2.1',
      port: 443,
      protocol: 'tcp',
      sent: false,
      namesAtFirst: 0,
      namesAtLast: 1,
    },
  ]);
  assert.deepEqual(seen.listening, [8080]);
  assert.equal(seen.listensAnywhere, true);
  assert.deepEqual(seen.names, ['asked.example']);
});
