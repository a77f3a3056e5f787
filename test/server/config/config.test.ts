/** The configuration: what is taken from where, and everything that is refused, with its place. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { configJsonSchema, withKeys } from '../../../scripts/write-config-docs.ts';
import { isCaissonError } from '../../../src/core/error.ts';
import type { Problem } from '../../../src/policy/problems.ts';
import { parseConfig, tenantConfig } from '../../../src/server/config/config.ts';
import { configFileProblems } from '../../../src/server/config/config-files.ts';
import { configKeys } from '../../../src/server/config/config-keys.ts';
import { readHeadersFile } from '../../../src/server/config/headers-file.ts';
import { type ConfigRequest, loadConfig } from '../../../src/server/config/load-config.ts';
import { readPolicySetting } from '../../../src/server/config/policy-setting.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-config-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function file(text: string | Uint8Array, name = `${files++}.yaml`): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

async function problemsOf(request: Partial<ConfigRequest>): Promise<readonly Problem[]> {
  try {
    await loadConfig({ environment: {}, ...request });
  } catch (error) {
    assert.ok(isCaissonError(error), String(error));
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.ok(error.hint);
    return error.details.problems as Problem[];
  }
  return [];
}

describe('defaults', () => {
  const config = parseConfig({});

  test('loopback, keys, strict policies, a ceiling, an audit log', () => {
    const { listen, auth, policy, ceiling, accept, audit } = config;
    assert.deepEqual([listen.host, listen.tls, listen.insecure], ['127.0.0.1', undefined, false]);
    assert.deepEqual(auth, { apiKeys: true, oidc: [], anonymous: false });
    assert.deepEqual([policy, ceiling, accept, audit.enabled], ['strict', 'service', [], true]);
  });

  test('a tenant has its own over the defaults', () => {
    const made = parseConfig({
      tenantDefaults: { quotas: { kept: 5, modules: 7 }, weight: 2 },
      tenants: { a: { quotas: { kept: 9, memoryBytes: '1GiB' }, ceiling: 'strict' } },
    });
    assert.deepEqual(tenantConfig(made, 'a'), {
      ceiling: 'strict',
      quotas: { kept: 9, modules: 7, memoryBytes: 2 ** 30 },
      rateLimits: {},
      weight: 2,
    });
    assert.deepEqual(tenantConfig(made, 'toString').quotas, { kept: 5, modules: 7 });
  });
});

describe('where it is from', () => {
  test('flags over environment over file over defaults, each with its source', async () => {
    const path = file(
      'listen:\n  port: 1\n  host: 127.0.0.2\n  socketMode: "660"\ntenants:\n  a: {}\n',
    );
    const { config, sources, ...loaded } = await loadConfig({
      file: path,
      environment: { CAISSON_LISTEN_PORT: '2', CAISSON_LISTEN_HOST: '127.0.0.3', OTHER: 'x' },
      flags: { 'listen.port': '3', 'auth.anonymous': true },
    });
    assert.deepEqual(
      [config.listen.port, config.listen.host, config.listen.socketMode, config.auth.anonymous],
      [3, '127.0.0.3', '660', true],
    );
    assert.equal(loaded.file, path);
    assert.deepEqual(
      [
        'listen.port',
        'listen.host',
        'listen.socketMode',
        'tenants',
        'auth.anonymous',
        'audit.fsync',
      ].map((key) => sources.get(key)),
      [
        { from: 'flag', where: '--set listen.port' },
        { from: 'environment', where: 'CAISSON_LISTEN_HOST' },
        { from: 'file', where: `${path}:4` },
        { from: 'file', where: `${path}:5` },
        { from: 'flag', where: '--set auth.anonymous' },
        { from: 'default' },
      ],
    );
    assert.deepEqual(
      [...sources.keys()],
      configKeys.map(({ name }) => name),
    );
  });

  test('JSON is taken; CAISSON_CONFIG names the file, a flag over it', async () => {
    const [one, two] = [file('{"listen": {"port": 1}}', 'c.json'), file('listen: {port: 2}')];
    const environment = { CAISSON_CONFIG: one };
    assert.equal((await loadConfig({ environment })).config.listen.port, 1);
    assert.equal((await loadConfig({ environment, file: two })).config.listen.port, 2);
    assert.equal(
      (await loadConfig({ environment: { CAISSON_CONFIG: '' } })).config.listen.port,
      8640,
    );
    assert.equal((await loadConfig({ environment: {}, file: file('') })).config.listen.port, 8640);
  });

  test('every key can be said by the environment, and no two by one variable', async () => {
    assert.equal(new Set(configKeys.map(({ variable }) => variable)).size, configKeys.length);
    for (const key of configKeys) {
      assert.match(key.variable, /^CAISSON_[A-Z0-9_]+$/);
      assert.notEqual(key.description, '', key.name);
    }
    const { config } = await loadConfig({
      environment: {
        CAISSON_ACCEPT: 'network.udp:too-wide, a.b',
        CAISSON_WORKSPACES: '{"w": "/srv/w"}',
        CAISSON_TENANTS: '{a: {workspaces: [w]}}',
        CAISSON_AUTH_OIDC: '[{"issuer": "https://id.example.org", "audience": "caisson"}]',
        CAISSON_AUTH_API_KEYS: 'false',
        CAISSON_MANAGER_POOL_MEMORY_BYTES: '2GiB',
        CAISSON_MANAGER_POOL_PROCESSES: 'null',
        CAISSON_LIMITS_HEARTBEAT_MS: '2s',
        CAISSON_DRAIN_TIMEOUT_MS: '1500',
        CAISSON_CEILING: 'moderate',
        CAISSON_POLICY: '{level: strict}',
        CAISSON_TELEMETRY_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
        CAISSON_LISTEN_SOCKET_PATH: '',
      },
    });
    assert.deepEqual(config.accept, ['network.udp:too-wide', 'a.b']);
    assert.deepEqual(config.tenants, { a: { workspaces: ['w'] } });
    assert.equal(config.auth.oidc[0]?.clockSkewMs, 30_000);
    assert.deepEqual(config.manager.pool, { memoryBytes: 2 ** 31, processes: null });
    assert.deepEqual([config.limits.heartbeatMs, config.drainTimeoutMs], [2000, 1500]);
    assert.deepEqual([config.ceiling, config.policy], ['moderate', { level: 'strict' }]);
    assert.equal(config.telemetry.otlp?.sampleRatio, 1);
    assert.equal(config.listen.socketPath, undefined);
  });
});

describe('what is wrong is told', () => {
  test('unknown keys and values, all of them, with line and what was meant', async () => {
    const path = file(
      'lisen: {}\nlisten:\n  prot: 1\n  port: x\nauth:\n  oidc:\n    - issuer: nope\ntenants:\n  a: {ceilin: x}\nlimits: {bodyBytes: 10 apples}\n',
    );
    const problems = await problemsOf({ file: path });
    assert.deepEqual(
      problems
        .map(({ path: key, line, source, suggestion }) => [key, line, source === path, suggestion])
        .sort(),
      [
        ['auth.oidc[0].audience', 7, true, 'write a text, or a list of them'],
        ['auth.oidc[0].issuer', 7, true, undefined],
        ['limits.bodyBytes', 10, true, 'write a size such as 64MiB, or a number of bytes'],
        ['lisen', 1, true, 'did you mean listen?'],
        ['listen.port', 4, true, undefined],
        ['listen.prot', 3, true, 'did you mean port?'],
        ['tenants.a.ceilin', 9, true, 'did you mean ceiling?'],
      ],
    );
  });

  test('of the environment and of flags, by their names', async () => {
    const problems = await problemsOf({
      environment: {
        CAISSON_LISTEN_PROT: '1',
        CAISSON_LISTEN_PORT: '70000',
        CAISSON_TENANTS: '{a: {weight: -1}}',
        CAISSON_WORKSPACES: '{',
      },
      flags: { 'listen.hots': 'x', 'limits.maxStreams': 'many' },
    });
    const told = problems.map(({ source, path, suggestion }) => [source, path, suggestion]);
    for (const row of [
      ['CAISSON_LISTEN_PROT', '', 'did you mean CAISSON_LISTEN_PORT?'],
      ['CAISSON_LISTEN_PORT', 'listen.port', undefined],
      ['CAISSON_TENANTS', 'tenants.a.weight', undefined],
      ['--set', 'listen.hots', 'did you mean listen.host?'],
      ['--set limits.maxStreams', 'limits.maxStreams', undefined],
    ]) {
      assert.ok(
        told.some((each) => JSON.stringify(each) === JSON.stringify(row)),
        `${row}\n${JSON.stringify(told)}`,
      );
    }
    assert.ok(told.some(([source]) => source === 'CAISSON_WORKSPACES'));
  });

  const texts: [string, string | Uint8Array][] = [
    ['two keys of one name', 'listen: {}\nlisten: {}'],
    ['a list', '- 1'],
    ['no YAML', 'listen: {'],
    ['aliases', 'listen: &a {}\nlimits: *a'],
    ['a prototype', '__proto__: {}'],
    ['no UTF-8', Uint8Array.of(0xff, 0xfe)],
    ['too large', `# ${'x'.repeat(1024 * 1024)}`],
    ['a key that is empty', 'listen: {port: }'],
    ['true for a number', 'listen: {port: true}'],
    ['a relative path', 'stateDirectory: state'],
    ['a password in a URL', 'telemetry: {otlp: {endpoint: "https://me:secret@example.org"}}'],
    ['a tenant with dots', 'tenants: {a..b: {}}'],
    ['a level that is none', 'ceiling: srtict'],
    ['a policy with an unknown key', 'policy: {levl: strict}'],
  ];
  for (const [what, text] of texts) {
    test(what, async () => {
      const problems = await problemsOf({ file: file(text) });
      assert.ok(problems.length > 0);
      assert.ok(!JSON.stringify(problems).includes('me:secret'));
    });
  }

  test('a receiver of telemetry without a scheme: told with one', async () => {
    for (const [written, told] of [
      ['localhost:4318', 'http://localhost:4318'],
      ['collector.example/otlp', 'http://collector.example/otlp'],
      ['me:secret@host', 'http://HOST:4318'],
    ] as const) {
      const [problem, ...more] = await problemsOf({
        file: file(`telemetry: {otlp: {endpoint: "${written}"}}`),
      });
      assert.equal(more.length, 0);
      assert.equal(problem?.path, 'telemetry.otlp.endpoint');
      assert.ok(problem?.message.includes(`write ${told}, `), problem?.message);
      assert.ok(!JSON.stringify(problem).includes('secret'));
    }
  });

  test('comments in JSON: told as such, where the first is; elsewhere // is a text', async () => {
    for (const [text, line, column] of [
      ['{\n  // where\n  "listen": {"port": 0}\n}', 2, 3],
      ['{"listen": {"port": 0}, // where\n "tenants": {}}', 1, 25],
      ['{"listen": {"port": 0 /* where */}}', 1, 23],
      ['// what\n{"listen": {"port": 0}}', 1, 1],
    ] as const) {
      const [first, ...more] = await problemsOf({ file: file(text) });
      assert.deepEqual([first?.message, more.length], ['JSON has no comments', 0], text);
      assert.deepEqual([first?.line, first?.column], [line, column], text);
      assert.match(first?.suggestion ?? '', /begin it with #/);
    }
    const url = '{"auth": {"oidc": [{"issuer": "https://a.example//b /* c */"}]}} # a comment';
    for (const text of [url, 'listen:\n  port: 0 // x\n']) {
      const problems = await problemsOf({ file: file(text) });
      assert.ok(!problems.some(({ message }) => /comments/.test(message)), text);
    }
  });

  test('no file, a directory', async () => {
    assert.match(
      (await problemsOf({ file: join(directory, 'none') }))[0]?.message ?? '',
      /there is no such file/,
    );
    assert.match((await problemsOf({ file: directory }))[0]?.message ?? '', /a directory/);
  });

  test('anything at all: a configuration or CONFIG_INVALID', () => {
    const key = fc.constantFrom(
      'listen',
      'host',
      'port',
      'auth',
      'tenants',
      'a',
      'quotas',
      'ceiling',
      'limits',
      'manager',
      'pool',
      '__proto__',
    );
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 0, -1, 1e99, '', '1', 'strict', '/x', '64MiB'),
        fc.array(tie('node'), { maxLength: 2 }),
        fc.dictionary(key, tie('node'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(fc.oneof(tree.node, fc.anything()), (value) => {
        try {
          parseConfig(value);
        } catch (error) {
          assert.ok(isCaissonError(error) && error.code === 'CONFIG_INVALID', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('who could get in', () => {
  const cases: [what: string, config: unknown, paths: string[]][] = [
    ['beyond loopback without TLS', { listen: { host: '0.0.0.0' } }, ['listen.host']],
    ['a name is not loopback', { listen: { host: 'example.org' } }, ['listen.host']],
    [
      'beyond loopback without credentials',
      { listen: { host: '::', insecure: true }, auth: { apiKeys: false } },
      ['listen.host'],
    ],
    [
      'beyond loopback for anybody',
      { listen: { host: '192.0.2.1', insecure: true }, auth: { anonymous: true } },
      ['auth.anonymous'],
    ],
    ['nobody', { auth: { apiKeys: false } }, ['auth']],
    [
      'an issuer in clear text',
      { auth: { oidc: [{ issuer: 'http://id.example.org', audience: 'a' }] } },
      ['auth.oidc[0].issuer'],
    ],
    [
      'a socket for everybody',
      { listen: { socketPath: '/run/c.sock', socketMode: '666' }, auth: { anonymous: true } },
      ['listen.socketMode'],
    ],
    [
      'a workspace that is not there',
      { workspaces: { work: '/srv' }, tenants: { a: { workspaces: ['wrok'] } } },
      ['tenants.a.workspaces[0]'],
    ],
    ['a passphrase for nothing', { signing: { passphraseFile: '/x' } }, ['signing.passphraseFile']],
    ['loopback', { listen: { host: '127.8.8.8' } }, []],
    [
      'loopback for anybody',
      { listen: { host: '::1' }, auth: { anonymous: true, apiKeys: false } },
      [],
    ],
    [
      'a socket, whatever the host',
      { listen: { socketPath: '/run/c.sock', host: '0.0.0.0' }, auth: { anonymous: true } },
      [],
    ],
    ['TLS', { listen: { host: '0.0.0.0', tls: { certFile: '/c', keyFile: '/k' } } }, []],
    ['behind a proxy', { listen: { host: '0.0.0.0', insecure: true } }, []],
    [
      'an issuer of this machine',
      { auth: { oidc: [{ issuer: 'http://127.0.0.1:9/x', audience: ['a', 'b'] }] } },
      [],
    ],
  ];
  for (const [what, config, paths] of cases) {
    test(what, async () => {
      const problems = await problemsOf({ file: file(JSON.stringify(config)) });
      assert.deepEqual(
        problems.map(({ path }) => path),
        paths,
        JSON.stringify(problems),
      );
    });
  }
});

describe('the files that it names', () => {
  test('each is looked at; a key that others may read is refused', async () => {
    const [open, closed] = [file('x', 'open.pem'), file('x', 'closed.pem')];
    chmodSync(open, 0o644);
    chmodSync(closed, 0o600);
    const lines = file('Authorization: Bearer secret-word\nno header', 'headers');
    chmodSync(lines, 0o600);
    mkdirSync(join(directory, 'work'));
    const config = parseConfig({
      listen: {
        tls: { certFile: join(directory, 'none'), keyFile: open },
        socketPath: join(directory, 'no/where/s.sock'),
      },
      signing: { keyFile: closed },
      telemetry: { otlp: { endpoint: 'http://127.0.0.1:1', headersFile: lines } },
      audit: { anchors: [{ directory: closed }, { url: 'https://example.org/' }] },
      workspaces: { there: join(directory, 'work'), gone: join(directory, 'gone') },
      ceiling: file('levl: strict', 'bad.yaml'),
      tenants: { a: { ceiling: file('level: strict', 'good.yaml') } },
    });
    const problems = await configFileProblems(config);
    assert.deepEqual(problems.map(({ path }) => path).sort(), [
      'audit.anchors[0].directory',
      'ceiling',
      'listen.socketPath',
      'listen.tls.certFile',
      'listen.tls.keyFile',
      'telemetry.otlp.headersFile',
      'workspaces.gone',
    ]);
    assert.ok(!JSON.stringify(problems).includes('secret-word'));
  });

  test('headers and policies are read', async () => {
    const path = file('# for the collector\nAuthorization: Bearer x:y\r\nX-Scope:  a b \n\n');
    assert.deepEqual(await readHeadersFile(path), {
      Authorization: 'Bearer x:y',
      'X-Scope': 'a b',
    });
    for (const bad of ['no colon', ': x', 'a b: c', 'A:', 'A: \u0001']) {
      await assert.rejects(readHeadersFile(file(`X: y\n${bad}`)), {
        code: 'CONFIG_INVALID',
        message: /:2: /,
      });
    }
    assert.equal(await readPolicySetting('strict'), 'strict');
    const read = await readPolicySetting(file('level: strict\nlimits: {memory: 1MiB}'));
    assert.equal(typeof read === 'object' && read.limits?.memory, '1MiB');
    await assert.rejects(readPolicySetting(file('x: 1')), { code: 'CONFIG_INVALID' });
    await assert.rejects(readPolicySetting(join(directory, 'none')), { code: 'CONFIG_INVALID' });
  });
});

describe('what is made from the schema', () => {
  const docs = new URL('../../../docs/', import.meta.url);
  test('docs/config.schema.json: node scripts/write-config-docs.ts', () => {
    assert.equal(readFileSync(new URL('config.schema.json', docs), 'utf8'), configJsonSchema());
  });
  test('the table of docs/deployment.md: node scripts/write-config-docs.ts', () => {
    const page = readFileSync(new URL('deployment.md', docs), 'utf8');
    assert.equal(page, withKeys(page));
  });
});
