/** Settings of srt and what policy they become, written out; and what is refused, by field. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { withFields } from '../../../scripts/write-srt-docs.ts';
import { isCaissonError } from '../../../src/core/error.ts';
import type { PolicyDocument } from '../../../src/policy/document.ts';
import { policyFromDocument } from '../../../src/policy/parse.ts';
import type { Problem } from '../../../src/policy/problems.ts';
import {
  policyFromSrtSettings,
  translateSrtSettings,
} from '../../../src/policy/srt/policy-from-srt-settings.ts';
import { SRT_ALWAYS_DENIED } from '../../../src/policy/srt/srt-always-denied.ts';
import type { SrtContext } from '../../../src/policy/srt/srt-context.ts';

const place: SrtContext = { home: '/home/me', cwd: '/home/me/work' };

function translate(settings: unknown, more: Partial<SrtContext> = {}): PolicyDocument {
  const document = policyFromSrtSettings(settings, { ...place, ...more });
  policyFromDocument(document, { home: place.home });
  return document;
}

function files(filesystem: unknown, more: Partial<SrtContext> = {}) {
  const { read = [], write = [], ...rest } = translate({ filesystem }, more).filesystem ?? {};
  return { read: [...read].sort(), write: [...write].sort(), ...rest };
}

function problemsOf(settings: unknown, more: Partial<SrtContext> = {}): readonly Problem[] {
  try {
    translate(settings, more);
  } catch (error) {
    assert.ok(isCaissonError(error));
    assert.equal(error.code, 'POLICY_INVALID');
    assert.ok(error.hint, error.message);
    return error.details.problems as Problem[];
  }
  return [];
}

const fieldsOf = (settings: unknown, more?: Partial<SrtContext>): string[] =>
  problemsOf(settings, more).map(({ path }) => path);

describe('the file system', () => {
  test('everything may be read, nothing written', () => {
    const document = translate({});
    assert.deepEqual(document.filesystem, {
      read: ['/', '.'],
      write: [],
      scratch: ['/tmp', '/var/tmp'],
    });
    assert.deepEqual(document.network, { mode: 'none' });
    assert.deepEqual(document.syscalls, { deny: ['socket_unix'] });
    assert.equal(document.limits?.timeout, null);
  });

  const rows: [what: string, filesystem: unknown, read: string[], write: string[]][] = [
    ['the working directory', { allowWrite: ['.'] }, ['.', '/'], ['.']],
    [
      'relative, ./ and a slash at the end',
      { allowWrite: ['src/', './test', 'a/../b'] },
      ['.', '/'],
      ['./b', './src', './test'],
    ],
    [
      'a home',
      { denyRead: ['~/.ssh'], allowWrite: ['~/.cache'] },
      ['!/home/me/.ssh', '.', '/'],
      ['/home/me/.cache'],
    ],
    ['beside the working directory', { allowWrite: ['../other'] }, ['.', '/'], ['/home/me/other']],
    ['above the working directory', { allowWrite: ['~'] }, ['.', '/'], ['.', '/home/me']],
    ['/** is everything below', { allowWrite: ['src/**'] }, ['.', '/'], ['./src']],
    [
      'denied is denied for both',
      { denyRead: ['secrets'], allowWrite: ['.'] },
      ['!./secrets', '.', '/'],
      ['!./secrets', '.'],
    ],
    [
      'allowed again below what is denied',
      { denyRead: ['/home'], allowRead: ['.'] },
      ['!/home', '.', '/'],
      [],
    ],
    [
      'denied again below that',
      { denyRead: ['/home', 'secrets'], allowRead: ['.'] },
      ['!./secrets', '!/home', '.', '/'],
      [],
    ],
    ['named in both it may be read', { denyRead: ['~/x'], allowRead: ['~/x'] }, ['.', '/'], []],
    [
      'written below what is denied',
      { denyRead: ['/home'], allowWrite: ['.', '~/.cache'] },
      ['!/home', '.', '/', '/home/me/.cache'],
      ['!/home', '.', '/home/me/.cache'],
    ],
    ['the working directory denied', { denyRead: ['.'] }, ['!/home/me/work', '/'], []],
    [
      'denyWrite wins, however much closer what is allowed is',
      { allowWrite: ['.', 'a/b/c'], denyWrite: ['a'] },
      ['.', '/'],
      ['!./a', '.'],
    ],
    ['denyWrite of all', { allowWrite: ['src'], denyWrite: ['.'] }, ['.', '/'], []],
    [
      'denyWrite elsewhere',
      { allowWrite: ['/srv/x'], denyWrite: ['/srv/x/y', '/opt'] },
      ['.', '/'],
      ['!/srv/x/y', '/srv/x'],
    ],
    [
      'made up in every sandbox',
      { denyRead: ['/proc', '/sys/kernel'], allowWrite: ['/dev/null'] },
      ['.', '/'],
      [],
    ],
    [
      'a part of the system',
      { denyRead: ['/usr/local/secret'] },
      ['!/usr/local/secret', '.', '/'],
      [],
    ],
  ];
  for (const [what, filesystem, read, write] of rows) {
    test(what, () => {
      const found = files(filesystem);
      assert.deepEqual({ read: found.read, write: found.write }, { read, write });
    });
  }

  test('what srt always denies is protected wherever the working directory may be written', () => {
    for (const allowWrite of [['.'], ['src'], ['/'], ['~']]) {
      const { protect, workspace, apply } = files({ allowWrite });
      assert.deepEqual(
        { protect, workspace, apply },
        {
          protect: [...SRT_ALWAYS_DENIED],
          workspace: 'overlay',
          apply: 'auto',
        },
      );
    }
    assert.equal(files({ allowWrite: ['/srv'] }).protect, undefined);
    const git = files({ allowWrite: ['.'], allowGitConfig: true }).protect ?? [];
    assert.ok(!git.includes('**/.git/config') && git.includes('**/.git/hooks'));
  });

  test('denyWrite below the working directory holds for what is not there, and for patterns', () => {
    const look = (path: string) => (path.includes('missing') ? undefined : path);
    const { protect = [], write } = files(
      { allowWrite: ['.'], denyWrite: ['.env', 'missing/deep', '**/*.lock', 'gen/*', 'out/**'] },
      { look },
    );
    const added = protect.filter((pattern) => !SRT_ALWAYS_DENIED.includes(pattern));
    assert.deepEqual(added, ['.env', 'missing/deep', '**/*.lock', 'gen/*', 'out']);
    assert.deepEqual(write, ['!./.env', '!./out', '.']);
  });

  test('what is not there is left out, as srt does; a link is denied as what it leads to', () => {
    const look = (path: string) =>
      path === '/home/me/.ssh' ? '/data/ssh' : path.includes('missing') ? undefined : path;
    assert.deepEqual(
      files(
        { denyRead: ['~/.ssh', '~/missing'], allowRead: ['/missing'], allowWrite: ['missing'] },
        { look },
      ),
      { read: ['!/data/ssh', '.', '/'], write: [], scratch: ['/tmp', '/var/tmp'] },
    );
  });

  test('patterns of denyRead are what they stand for now', () => {
    const asked: string[] = [];
    const expand = (pattern: string) => {
      asked.push(pattern);
      return ['/home/me/work/a/.env', '/home/me/work/.env'];
    };
    const { read } = files({ denyRead: ['**/.env'] }, { expand });
    assert.deepEqual(asked, ['/home/me/work/**/.env']);
    assert.deepEqual(read, ['!./.env', '!./a/.env', '.', '/']);
  });

  test('/tmp of the host, where it may be written', () => {
    assert.deepEqual(files({ allowWrite: ['/tmp'] }).scratch, ['/var/tmp']);
    assert.deepEqual(files({ allowWrite: ['/tmp/claude'] }).scratch, ['/tmp', '/var/tmp']);
    assert.deepEqual(files({ allowWrite: ['/'] }).scratch, []);
  });

  test('/ is denied where what programs need is allowed', () => {
    const system = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix'];
    assert.deepEqual(
      files({ denyRead: ['/'], allowRead: ['.', ...system] }).read,
      ['.', ...system].sort(),
    );
    const look = (path: string) =>
      ['/usr', '/'].includes(path) ? path : path === '/bin' ? '/usr/bin' : undefined;
    assert.deepEqual(files({ denyRead: ['/'], allowRead: ['/usr'] }, { look }).read, ['/usr']);
  });

  const refusals: [what: string, filesystem: unknown, fields: string[]][] = [
    ['a system directory', { denyRead: ['/usr'] }, ['filesystem.denyRead[0]']],
    [
      'patterns of what is allowed',
      { allowWrite: ['src/*.ts'], allowRead: ['a?'] },
      ['filesystem.allowRead[0]', 'filesystem.allowWrite[0]'],
    ],
    ['patterns that nobody expands', { denyRead: ['**/.env'] }, ['filesystem.denyRead[0]']],
    [
      'patterns of denyWrite elsewhere',
      { allowWrite: ['/srv'], denyWrite: ['/srv/**/x'] },
      ['filesystem.denyWrite[0]'],
    ],
    [
      'patterns that protection has not',
      { allowWrite: ['.'], denyWrite: ['a[bc]', 'd?'] },
      ['filesystem.denyWrite[0]', 'filesystem.denyWrite[1]'],
    ],
    [
      'written below what is denied in the working directory',
      { denyRead: ['secrets'], allowWrite: ['secrets/out'] },
      ['filesystem.allowWrite[0]'],
    ],
    ['no sandbox', { disabled: true }, ['filesystem.disabled']],
  ];
  for (const [what, filesystem, fields] of refusals) {
    test(`refused: ${what}`, () => assert.deepEqual(fieldsOf({ filesystem }), fields));
  }

  test('`/**` at the end stands for its directory in every list of paths, and the table says so', () => {
    const page = readFileSync(new URL('../../../docs/srt-settings.md', import.meta.url), 'utf8');
    const beside = { denyRead: ['~'], allowWrite: ['.'] };
    for (const list of ['denyRead', 'allowRead', 'allowWrite', 'denyWrite'] as const) {
      const set = (path: string) => files({ ...beside, [list]: [path] });
      const paths = ['src', '/srv/data', '~/x'];
      for (const path of paths) {
        for (const end of ['/**', '/**/', '/**/**']) {
          assert.deepEqual(set(path + end), set(path), `${list}: ${path}${end}`);
        }
      }
      const without = files(beside);
      assert.ok(
        paths.some((path) => !isDeepStrictEqual(set(path), without)),
        list,
      );
      const row = page.split('\n').find((line) => line.startsWith(`| \`filesystem.${list}\``));
      assert.match(row ?? '', /`\/\*\*` at the end stands for its directory/, list);
    }
    for (const list of ['allowRead', 'allowWrite']) {
      assert.deepEqual(fieldsOf({ filesystem: { [list]: ['/srv/*/x', 'a/**/b'] } }), [
        `filesystem.${list}[0]`,
        `filesystem.${list}[1]`,
      ]);
    }
    const secret = (path: string) =>
      translate({ credentials: { files: [{ path, mode: 'deny' }] } }).filesystem;
    assert.deepEqual(secret('~/.aws/**'), secret('~/.aws'));
  });

  test('refused: links of what is allowed, what is denied and not there', () => {
    const look = (path: string) =>
      path.startsWith('/srv/l') ? `/data${path}` : path.includes('missing') ? undefined : path;
    assert.deepEqual(
      fieldsOf({ filesystem: { allowWrite: ['/srv/link'], allowRead: ['/srv/l2'] } }, { look }),
      ['filesystem.allowRead[0]', 'filesystem.allowWrite[0]'],
    );
    assert.deepEqual(
      fieldsOf({ filesystem: { allowWrite: ['/srv'], denyWrite: ['/srv/missing'] } }, { look }),
      ['filesystem.denyWrite[0]'],
    );
    assert.deepEqual(fieldsOf({ filesystem: { denyWrite: ['/srv/missing'] } }, { look }), []);
    assert.deepEqual(fieldsOf({}, { cwd: '/' }), ['filesystem']);
  });
});

describe('the network', () => {
  const rows: [what: string, network: unknown, allow: string[], deny: string[]][] = [
    [
      'every port, unless one is said',
      { allowedDomains: ['Example.COM', '*.b.org:8443', 'c.org:443'] },
      ['example.com:*', '*.b.org:8443', 'c.org:443'],
      [],
    ],
    [
      'addresses',
      { allowedDomains: ['192.0.2.1', '[2001:DB8::1]:443', '[2001:db8::2]'] },
      ['192.0.2.1:*', '[2001:db8::1]:443', '[2001:db8::2]:*'],
      [],
    ],
    [
      'denied',
      { allowedDomains: ['*.b.org'], deniedDomains: ['a.b.org', 'localhost', '127.0.0.1:80'] },
      ['*.b.org:*'],
      ['a.b.org:*'],
    ],
    [
      'all denied',
      { allowedDomains: ['b.org'], deniedDomains: ['*:22'] },
      ['b.org:*'],
      ['*:22', '0.0.0.0/0:22', '[::]/0:22'],
    ],
  ];
  for (const [what, network, allow, deny] of rows) {
    test(what, () =>
      assert.deepEqual(translate({ network }).network, { mode: 'filtered', allow, deny }),
    );
  }

  test('TLS is opened where it is to be', () => {
    const network = { allowedDomains: ['b.org'], tlsTerminate: { excludeDomains: [] } };
    assert.equal(translate({ network }).network?.intercept, true);
    assert.deepEqual(translate({ network: { tlsTerminate: {} } }).network, { mode: 'none' });
  });

  test('unix sockets', () => {
    assert.equal(translate({ network: { allowAllUnixSockets: true } }).syscalls, undefined);
    const listed = translate({ network: { allowUnixSockets: ['/run/docker.sock'] } });
    assert.deepEqual(listed.syscalls, { deny: ['socket_unix'] });
  });

  test('nobody is asked, where it is so', () => {
    assert.equal(
      translateSrtSettings({ network: { strictAllowlist: true } }, place).asksNobody,
      true,
    );
    assert.equal(translateSrtSettings({ network: {} }, place).asksNobody, false);
  });

  for (const domain of [
    'http://a.b',
    'a.b/c',
    '*',
    '*.com',
    'word',
    'a.*.b',
    '.a.b',
    'a.b.',
    '2001:db8::1',
    '[x]',
    'a.b:0',
    'a.b:70000',
    '1.2.3',
    '',
  ]) {
    test(`refused: ${JSON.stringify(domain)}`, () => {
      assert.deepEqual(fieldsOf({ network: { allowedDomains: ['ok.org', domain] } }), [
        'network.allowedDomains[1]',
      ]);
    });
  }

  test('refused: the host’s loopback, and every part that is not ours', () => {
    for (const host of [
      'localhost',
      'x.localhost',
      '127.0.0.1',
      '127.9.9.9:80',
      '[::1]:443',
      '0.0.0.0',
      '[::ffff:127.0.0.1]',
    ]) {
      assert.deepEqual(
        fieldsOf({ network: { allowedDomains: [host] } }),
        ['network.allowedDomains[0]'],
        host,
      );
    }
    const network = {
      httpProxyPort: 3128,
      socksProxyPort: 1080,
      mitmProxy: { socketPath: '/x', domains: ['a.b'] },
      parentProxy: { http: 'http://p' },
      filterRequest: {},
      tlsTerminate: {
        caCertPath: '/c',
        caKeyPath: '/k',
        excludeDomains: ['a.b'],
        extraCaCertPaths: ['/r'],
      },
    };
    assert.deepEqual(
      fieldsOf({ network }).sort(),
      [
        ...['filterRequest', 'httpProxyPort', 'mitmProxy', 'parentProxy', 'socksProxyPort'],
        ...['caCertPath', 'caKeyPath', 'excludeDomains', 'extraCaCertPaths'].map(
          (key) => `tlsTerminate.${key}`,
        ),
      ].map((key) => `network.${key}`),
    );
  });
});

describe('credentials', () => {
  const network = { allowedDomains: ['api.b.org', '*.c.org:443'], tlsTerminate: {} };

  test('denied files and variables are not there; a masked variable is a secret', () => {
    const {
      filesystem,
      environment,
      network: made,
    } = translate({
      network,
      filesystem: { allowRead: ['~/.netrc'] },
      credentials: {
        files: [
          { path: '~/.aws', mode: 'deny' },
          { path: '~/.netrc', mode: 'deny', extract: '(x)' },
        ],
        envVars: [
          { name: 'GONE', mode: 'deny' },
          { name: 'TOKEN', mode: 'mask', injectHosts: ['api.b.org', 'x.c.org'] },
          { name: 'EVERYWHERE', mode: 'mask' },
        ],
      },
    });
    assert.ok(
      filesystem?.read?.includes('!/home/me/.aws') && filesystem.read.includes('!/home/me/.netrc'),
    );
    for (const name of ['GONE', 'TOKEN', 'EVERYWHERE', 'HTTPS_PROXY', 'https_proxy']) {
      assert.ok(environment?.pass?.includes(`!${name}`), name);
    }
    assert.equal(environment?.pass?.[0], '*');
    assert.equal(environment?.set?.SANDBOX_RUNTIME, '1');
    assert.deepEqual(made?.secrets, {
      TOKEN: ['api.b.org', 'x.c.org'],
      EVERYWHERE: ['api.b.org', '*.c.org'],
    });
  });

  test('refused', () => {
    const envVar = (entry: object, of: unknown = network) =>
      fieldsOf({ network: of, credentials: { envVars: [{ name: 'T', mode: 'mask', ...entry }] } });
    const at = 'credentials.envVars[0]';
    assert.deepEqual(envVar({ injectHosts: ['other.org'] }), [`${at}.injectHosts[0]`]);
    assert.deepEqual(envVar({ injectHosts: [] }), [`${at}.injectHosts`]);
    assert.deepEqual(envVar({ injectHosts: ['api.b.org:443'] }), [`${at}.injectHosts[0]`]);
    assert.deepEqual(envVar({ extract: '(x)' }), [`${at}.extract`]);
    assert.deepEqual(envVar({ decode: 'jwt' }), [`${at}.decode`]);
    assert.deepEqual(envVar({ name: 'AWS_SECRET_ACCESS_KEY' }), [`${at}.mode`]);
    assert.deepEqual(envVar({}, { allowedDomains: ['api.b.org'] }), [`${at}.mode`]);
    assert.deepEqual(envVar({}, { allowedDomains: ['192.0.2.1'], tlsTerminate: {} }), [
      `${at}.mode`,
    ]);
    assert.deepEqual(
      fieldsOf({
        credentials: {
          files: [{ path: 'a', mode: 'mask' }],
          allowPlaintextInject: true,
          awsPairs: [],
          sigv4: {},
        },
      }),
      ['allowPlaintextInject', 'awsPairs', 'sigv4', 'files[0].mode'].map(
        (key) => `credentials.${key}`,
      ),
    );
  });
});

describe('the file', () => {
  test('unknown keys and wrong values are told with line, column and what was meant', () => {
    const text = '{\n  "network": {\n    "allowedDomain": [],\n    "deniedDomains": "x"\n  }\n}';
    const problems = problemsOf(text, { source: 'srt.json' });
    assert.deepEqual(
      problems.map(({ path, line, source, suggestion }) => [path, line, source, suggestion]),
      [
        ['network.allowedDomain', 3, 'srt.json', 'did you mean allowedDomains?'],
        ['network.deniedDomains', 4, 'srt.json', undefined],
      ],
    );
    const [refused] = problemsOf('{"filesystem":\n {"disabled": true}}', { source: 's' });
    assert.deepEqual([refused?.path, refused?.line], ['filesystem.disabled', 2]);
  });

  for (const text of [
    '',
    '{',
    '[]',
    'a: 1',
    '{"a": 1, "a": 2}',
    '{"__proto__": {}}',
    '\0',
    `{"x": "${'y'.repeat(300_000)}"}`,
  ]) {
    test(`refused: ${JSON.stringify(text.slice(0, 20))}`, () =>
      assert.notDeepEqual(problemsOf(text), []));
  }

  test('git’s safe directories go by variables', () => {
    assert.deepEqual(translate({ git: { safeDirectories: ['/a', '/b'] } }).environment?.set, {
      SANDBOX_RUNTIME: '1',
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '/a',
      GIT_CONFIG_KEY_1: 'safe.directory',
      GIT_CONFIG_VALUE_1: '/b',
    });
  });

  test('every example of srt’s documentation is taken', () => {
    const examples: object[] = [
      {
        filesystem: { denyRead: [], allowWrite: ['.'], denyWrite: ['~/sensitive-folder'] },
        network: { allowedDomains: [], deniedDomains: [] },
      },
      {
        network: {
          allowedDomains: [
            'github.com',
            '*.github.com',
            'lfs.github.com',
            'npmjs.org',
            '*.npmjs.org',
          ],
          deniedDomains: ['malicious.com'],
          allowUnixSockets: ['/var/run/docker.sock'],
          allowLocalBinding: false,
        },
        filesystem: {
          denyRead: ['~/.ssh'],
          allowRead: [],
          allowWrite: ['.', 'src/', 'test/', '/tmp'],
          denyWrite: ['.env', 'config/production.json'],
        },
        ignoreViolations: { '*': ['/usr/bin', '/System'], 'git push': ['/usr/bin/nc'] },
        enableWeakerNestedSandbox: false,
        enableWeakerNetworkIsolation: false,
        allowAppleEvents: false,
      },
      {
        network: { allowedDomains: [], deniedDomains: [] },
        filesystem: { denyRead: ['/home'], allowRead: ['.'], allowWrite: ['.'], denyWrite: [] },
      },
    ];
    for (const example of examples) translate(JSON.stringify(example));
  });
});

test('the table of docs/srt-settings.md is what the schema says: node scripts/write-srt-docs.ts', () => {
  const page = readFileSync(new URL('../../../docs/srt-settings.md', import.meta.url), 'utf8');
  assert.equal(page, withFields(page));
});
