/** What a problem tells to do can be done over HTTP: words of the command line stand in parentheses, if at all. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Served, served } from './served.ts';

interface Problem {
  readonly code: string;
  readonly hint?: string;
  readonly detail: string;
}

/** Flags, and commands of ours. */
const COMMAND_LINE =
  /(^|\s)--[a-z]|\bcaisson (run|policy|explain|diff|module|keys|access|sign|prove)\b/;

describe('hints over HTTP', () => {
  let service: Served;
  const keys: Record<string, string> = {};

  before(async () => {
    service = await served({ tenants: { acme: {}, globex: {} } });
    for (const role of ['developer', 'admin', 'operator']) keys[role] = await service.key(role);
    await service.ask('PUT', '/api/policies/signed', {
      key: keys.developer,
      body: { version: 1, level: 'strict', admission: { requires: 'signature' } },
    });
    await service.ask('POST', '/api/effects/register', {
      key: keys.developer,
      body: { id: 'sum', code: 'export default (a) => a' },
    });
    await service.ask('PATCH', '/api/modules/sum@1.0.0', {
      key: keys.developer,
      body: { enabled: false },
    });
    await service.ask('POST', '/api/trust/signers', { key: keys.operator, body: signer });
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const { publicKey } = generateKeyPairSync('ed25519');
  const signer = {
    name: 'ada',
    key: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  };
  const run = (more: object) => ['POST', '/api/runs', { argv: ['true'], ...more }] as const;
  const cases: Readonly<
    Record<string, readonly [string, readonly [string, string, object?], string, RegExp]>
  > = {
    'memory that no sandbox fits into': [
      'developer',
      run({ policy: { level: 'strict', limits: { memory: '256KiB' } } }),
      'POLICY_INVALID',
      /the least is 1MiB/,
    ],
    'memory that no interpreter fits into': [
      'developer',
      [
        'POST',
        '/api/evaluations',
        { language: 'python', source: 'print(input())', memoryBytes: 1 },
      ],
      'POLICY_INVALID',
      /the least is 1MiB/,
    ],
    'no key': ['', ['GET', '/api/sandboxes'], 'UNAUTHENTICATED', /send Authorization/],
    'a key that is not there': [
      'admin',
      ['GET', '/api/access/keys/nobody'],
      'NOT_FOUND',
      /the list of keys/,
    ],
    'a tenant that is not there': [
      'operator',
      ['GET', '/api/access/tenants/nobody'],
      'NOT_FOUND',
      /the list of tenants/,
    ],
    'a disabled module': [
      'developer',
      ['POST', '/api/modules/sum@1.0.0/execute', {}],
      'MODULE_DISABLED',
      /^enable it /,
    ],
    'a module that is not there': [
      'developer',
      ['POST', '/api/modules/qqqqqqqqqq/execute', {}],
      'MODULE_NOT_FOUND',
      /the list of modules/,
    ],
    'a module removed without its version': [
      'developer',
      ['DELETE', '/api/modules/sum'],
      'REQUEST_INVALID',
      /^write sum@VERSION/,
    ],
    'a signer that is there': [
      'operator',
      ['POST', '/api/trust/signers', signer],
      'REQUEST_INVALID',
      /replace: true/,
    ],
    'a signer that is not there': [
      'operator',
      ['POST', '/api/trust/signers/qqqqqq/revoke', { reason: 'test' }],
      'REQUEST_INVALID',
      /the list of signers/,
    ],
    'a wall that is not ready': [
      'developer',
      run({ policy: 'paranoid' }),
      'WALL_UNAVAILABLE',
      /^choose the level strict/,
    ],
    'what the operator does not let be accepted': [
      'developer',
      run({ accept: ['landlock:absent'] }),
      'POLICY_BEYOND_CEILING',
      /list it under accept of the configuration/,
    ],
    'a policy that is none': [
      'developer',
      run({ policy: { limits: { memory: 'plenty' } } }),
      'POLICY_INVALID',
      /\S/,
    ],
    'a signature that is missing': [
      'developer',
      run({ policy: 'signed' }),
      'ADMISSION_REFUSED',
      /\S/,
    ],
    'a policy of no known name': [
      'developer',
      run({ policy: 'strikt' }),
      'POLICY_INVALID',
      /GET \/api\/policies lists the stored ones$/,
    ],
    'what operators alone may': [
      'admin',
      ['POST', '/api/access/tenants', { id: 'mine' }],
      'FORBIDDEN',
      /with the role operator$/,
    ],
    'handing on what one does not have': [
      'admin',
      ['POST', '/api/access/keys', { name: 'x', scopes: ['metrics:read'] }],
      'FORBIDDEN',
      /with the role operator$/,
    ],
    'no key to sign with': [
      'admin',
      ['POST', '/api/sign', { id: 'a', kind: 'javascript', code: '1' }],
      'KEY_INVALID',
      /signing\.keyFile/,
    ],
  };
  for (const [name, [role, [method, path, body], code, hint]] of Object.entries(cases)) {
    test(name, async () => {
      const { body: answer, text } = await service.ask(method, path, {
        key: keys[role],
        ...(body === undefined ? {} : { body }),
      });
      const problem = answer as Problem;
      assert.equal(problem.code, code, text);
      assert.match(problem.hint ?? '', hint);
      const words = `${problem.detail}\n${problem.hint}`.replaceAll(/\([^()]*\)/g, '');
      assert.doesNotMatch(words, COMMAND_LINE);
    });
  }
});

test('what is no credential of the service is told no more than a wrong key, and repeated nowhere', async (context) => {
  await using service = await served();
  const logged: string[] = [];
  context.mock.method(process.stderr, 'write', (text: unknown) => {
    logged.push(String(text));
    return true;
  });
  const key = await service.key('developer');
  const wrong = `${key.slice(0, -8)}AAAAAAAA`;
  const answers = await Promise.all(
    [wrong, 'nonsense-secret', 'csn_nonsense-secret', 'eyJhbGciOiJub25lIn0.e30.secret'].map(
      async (credential) => {
        const { status, text } = await service.ask('GET', '/api/sandboxes', { key: credential });
        assert.equal(status, 401, text);
        assert.ok(!text.includes(credential));
        assert.ok(!/token/i.test(text), text);
        return text.replace(/"instance":"[^"]*"/, '');
      },
    ),
  );
  assert.equal(new Set(answers).size, 1, answers.join('\n'));
  assert.match(answers[0] ?? '', /is no API key of this service/);
  assert.ok(!/secret|AAAAAAAA/.test(logged.join('')));
});
