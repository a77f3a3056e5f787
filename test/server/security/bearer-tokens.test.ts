/** Tokens of an identity provider: which are taken, and every way in which one is not. */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { ROLES } from '../../../src/api/scope.ts';
import { BearerTokens, type TokenIssuer } from '../../../src/server/security/bearer-tokens.ts';
import { ServiceClock } from '../../../src/server/security/service-clock.ts';
import { ASYMMETRIC_ALGORITHMS } from '../../../src/server/security/token-algorithms.ts';
import { enter, START, securityPlace } from './place.ts';

const seconds = START / 1000;
const AUDIENCE = 'https://caisson.example';

/** An identity provider on loopback that can be made to fail. */
class Provider {
  readonly #server: Server;
  keys: JWK[] = [];
  fails = false;
  document: Record<string, unknown> | undefined;
  readonly asked: string[] = [];

  constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      if (this.fails) return response.writeHead(500).end();
      const document = request.url?.includes('openid')
        ? (this.document ?? { issuer: this.issuer, jwks_uri: `${this.issuer}/jwks` })
        : { keys: this.keys };
      // In pieces: how long it is nobody is told.
      response.setHeader('content-type', 'application/json').write(JSON.stringify(document));
      return response.end();
    });
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('a token', () => {
  let provider: Provider;
  let rsa: Awaited<ReturnType<typeof generateKeyPair>>;
  let publicJwk: JWK;
  let tokens: BearerTokens;
  const time = { wall: START, steady: 0 };
  const clock = new ServiceClock(
    () => time.wall,
    () => time.steady,
  );
  const rules = {
    audience: AUDIENCE,
    tenantClaim: 'org',
    rolesClaim: 'realm_access.roles',
    roles: { 'caisson-dev': 'developer', 'caisson-root': 'operator' },
    scopesClaim: 'scope',
  };

  before(async () => {
    provider = await new Provider().open();
    rsa = await generateKeyPair('RS256', { extractable: true });
    publicJwk = { ...(await exportJWK(rsa.publicKey)), kid: 'one', use: 'sig' };
  });
  after(() => provider.close());
  beforeEach(() => {
    Object.assign(time, { wall: START, steady: time.steady });
    provider.fails = false;
    provider.document = undefined;
    provider.keys = [publicJwk];
    tokens = new BearerTokens([{ ...rules, issuer: provider.issuer }], clock);
  });

  const CLAIMS = { org: 'acme', realm_access: { roles: ['caisson-dev', 'other'] } };
  const jwt = (
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: Parameters<SignJWT['sign']>[0] = rsa.privateKey,
  ) =>
    new SignJWT({
      ...{ iss: provider.issuer, aud: AUDIENCE, sub: 'u1', exp: seconds + 60, iat: seconds },
      ...CLAIMS,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
      .sign(key);
  const refused = async (
    token: string | Promise<string>,
    message: RegExp,
    code = 'UNAUTHENTICATED',
  ) => {
    const text = await token;
    await assert.rejects(async () => await tokens.authenticate(text), { code, message });
  };

  test('of the issuer lets its subject in, as what the configuration makes of its claims', async () => {
    const caller = await tokens.authenticate(await jwt());
    assert.deepEqual(
      [caller.tenant, caller.subject, caller.isOperator],
      ['acme', 'token:u1', false],
    );
    assert.ok(caller.scopes.has('sandboxes:write') && !caller.scopes.has('trust:write'));
    assert.ok(!caller.scopes.has('access:write'));
    const root = await tokens.authenticate(
      await jwt({ realm_access: { roles: ['caisson-root'] } }),
    );
    assert.equal(root.isOperator, true);
    const none = await tokens.authenticate(await jwt({ realm_access: {}, scope: undefined }));
    assert.equal(none.scopes.size, 0);
  });

  test('with scopes may no more than its roles allow, and no more than they name', async () => {
    const scopesOf = async (claims: Record<string, unknown>) =>
      [...(await tokens.authenticate(await jwt(claims))).scopes].sort();
    assert.deepEqual(await scopesOf({ scope: 'openid sandboxes:read trust:write access:write' }), [
      'sandboxes:read',
    ]);
    assert.deepEqual(await scopesOf({ scope: ['sandboxes:read', 'sandboxes:write', 7] }), [
      'sandboxes:read',
      'sandboxes:write',
    ]);
    // An operator's client, too, has what it was given.
    const operator = { realm_access: { roles: ['caisson-root'] }, scope: 'audit:read' };
    assert.deepEqual(await scopesOf(operator), ['audit:read']);
    // Asked for nothing of ours, or in a way that nobody understands: nothing.
    for (const scope of ['openid profile', '', [], 7, { 'sandboxes:read': true }, null]) {
      assert.deepEqual(await scopesOf({ scope }), [], JSON.stringify(scope));
    }
  });

  test('with scopes alone has those; with roles alone, what they allow', async () => {
    const scope = 'modules:read modules:execute unknown:x';
    for (const realm_access of [undefined, {}, { roles: [] }, { roles: ['offline_access'] }]) {
      const caller = await tokens.authenticate(await jwt({ realm_access, scope }));
      assert.deepEqual([...caller.scopes].sort(), ['modules:execute', 'modules:read']);
      assert.equal(caller.isOperator, false);
    }
    const { scopes } = await tokens.authenticate(await jwt());
    assert.deepEqual([...scopes].sort(), [...ROLES.developer].sort());
    // Where the configuration names no such claim, it is none.
    const { scopesClaim: _, ...without } = rules;
    const plain = new BearerTokens([{ ...without, issuer: provider.issuer }], clock);
    const user = await plain.authenticate(await jwt({ scope: 'audit:read' }));
    assert.deepEqual([...user.scopes].sort(), [...ROLES.developer].sort());
    const client = await plain.authenticate(await jwt({ realm_access: {}, scope }));
    assert.equal(client.scopes.size, 0);
  });

  test('that names what is of every tenant has it by a role alone', async () => {
    const scope = 'metrics:read audit:read';
    const client = await tokens.authenticate(await jwt({ realm_access: {}, scope }));
    assert.deepEqual([...client.scopes], ['audit:read']);
    const user = await tokens.authenticate(await jwt({ scope }));
    assert.deepEqual([...user.scopes], ['audit:read']);
    const operators = new BearerTokens(
      [{ ...rules, roles: { root: 'operator' }, issuer: provider.issuer }],
      clock,
    );
    const root = await operators.authenticate(
      await jwt({ realm_access: { roles: ['root'] }, scope: 'metrics:read' }),
    );
    assert.deepEqual([...root.scopes], ['metrics:read']);
  });

  test('that says it of itself is nobody’s: roles, operator, tenant by other claims', async () => {
    const caller = await tokens.authenticate(
      await jwt({
        ...{ roles: ['operator'], role: 'operator', isOperator: true, tenant: 'globex' },
        realm_access: { roles: ['operator', 'admin', 'constructor', '__proto__'] },
      }),
    );
    assert.deepEqual([caller.tenant, caller.isOperator, caller.scopes.size], ['acme', false, 0]);
  });

  test('without a signature, or signed with what is public, is not taken', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const payload = part({
      iss: provider.issuer,
      aud: AUDIENCE,
      sub: 'u1',
      exp: seconds + 60,
      ...CLAIMS,
    });
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
      await refused(`${part({ alg })}.${payload}.`, /./);
    }
    const jwkText = JSON.stringify(publicJwk);
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    for (const secret of [
      jwkText,
      publicJwk.n ?? '',
      publicKey.export({ type: 'spki', format: 'pem' }),
    ]) {
      for (const alg of ['HS256', 'HS384', 'HS512']) {
        const head = `${part({ alg, kid: 'one', typ: 'JWT' })}.${payload}`;
        const mac = createHmac(`sha${alg.slice(2)}`, secret)
          .update(head)
          .digest('base64url');
        await refused(`${head}.${mac}`, /not taken/);
      }
    }
    assert.ok(!ASYMMETRIC_ALGORITHMS.some((each) => /^(HS|none)/i.test(each)));
  });

  test('is not taken even where the issuer hands out a shared secret', async () => {
    const secret = new Uint8Array(32).fill(7);
    provider.keys = [
      { kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'one', alg: 'HS256' },
    ];
    await refused(jwt({}, { alg: 'HS256' }, secret), /not taken/);
  });

  test('that brings its own key, or says where it is, is not taken', async () => {
    const own = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(own.publicKey);
    const before = provider.asked.length;
    for (const header of [
      { jwk },
      { jku: `${provider.issuer}/evil` },
      { x5u: `${provider.issuer}/evil` },
      { x5c: ['AAAA'] },
      { kid: '../../../../dev/null' },
      { kid: "one' OR '1'='1" },
      { kid: 'https://evil.example/jwks' },
      { kid: '' },
    ]) {
      await refused(jwt({}, header, own.privateKey), /not signed by a key of its issuer/);
    }
    assert.deepEqual([...new Set(provider.asked.slice(before))].sort(), [
      '/.well-known/openid-configuration',
      '/jwks',
    ]);
  });

  test('of another key, another audience, another issuer, another purpose is not taken', async () => {
    const other = await generateKeyPair('RS256');
    await refused(jwt({}, {}, other.privateKey), /not signed/);
    await refused(jwt({ aud: 'https://other.example' }), /aud/);
    await refused(jwt({ aud: ['a', 'b'] }), /aud/);
    await refused(jwt({ aud: undefined }), /aud/);
    await refused(jwt({ iss: 'https://evil.example' }), /nobody who is trusted/);
    await refused(jwt({ iss: `${provider.issuer}/` }), /nobody who is trusted/);
    await refused(jwt({ iss: [provider.issuer] }), /nobody who is trusted/);
    await refused(jwt({ iss: undefined }), /nobody who is trusted/);
    for (const typ of ['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'x']) {
      await refused(jwt({}, { typ }), /not for access/);
    }
    for (const typ of ['JWT', 'at+jwt', 'application/at+jwt']) {
      assert.equal((await tokens.authenticate(await jwt({}, { typ }))).tenant, 'acme');
    }
    const critical = new SignJWT({
      iss: provider.issuer,
      aud: AUDIENCE,
      sub: 'u1',
      exp: seconds + 60,
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'one', crit: ['x'], x: 1 })
      .sign(rsa.privateKey, { crit: { x: true } });
    await refused(critical, /malformed/);
  });

  test('changed by a bit anywhere is not taken', async () => {
    const token = await jwt();
    for (let i = 0; i < token.length; i += 13) {
      const letter = token[i] === 'A' ? 'B' : 'A';
      const changed = `${token.slice(0, i)}${letter}${token.slice(i + 1)}`;
      await assert.rejects(
        async () => await tokens.authenticate(changed),
        { code: 'UNAUTHENTICATED' },
        String(i),
      );
    }
  });

  test('has its time, give or take what clocks differ by', async () => {
    const token = await jwt({ nbf: seconds });
    time.wall = START + 60_000 + 29_000;
    await tokens.authenticate(token);
    time.wall = START + 60_000 + 31_000;
    await refused(token, /expired/);
    time.wall = START;
    await refused(jwt({ nbf: seconds + 40 }), /not yet: nbf/);
    await tokens.authenticate(await jwt({ nbf: seconds + 20 }));
    await refused(jwt({ exp: undefined }), /exp/);
    await refused(jwt({ exp: 'never' }), /./);
    await refused(jwt({ sub: undefined }), /sub/);
    await refused(jwt({ sub: '' }), /subject/);
    await refused(jwt({ sub: 'a\nb' }), /subject/);
    await refused(jwt({ sub: 'x'.repeat(300) }), /subject/);
    await refused(jwt({ sub: 42 }), /./);
  });

  test('names its tenant in the one form, or nobody is let in', async () => {
    for (const org of [
      ...['', '..', '../acme', 'Acme', 'acme\0', 'аcme', 'acme/..', '__proto__', 'a'.repeat(65)],
      ...[undefined, null, 7, ['acme'], { toString: 'acme' }],
    ]) {
      await refused(jwt({ org }), /names no tenant/, 'FORBIDDEN');
    }
    const fixed: TokenIssuer = { ...rules, issuer: provider.issuer, tenant: 'globex' };
    tokens = new BearerTokens([fixed], clock);
    assert.equal((await tokens.authenticate(await jwt({ org: 'acme' }))).tenant, 'globex');
  });

  test('signed in a way that the configuration leaves out is not taken', async () => {
    const only: TokenIssuer = { ...rules, issuer: provider.issuer, algorithms: ['ES256'] };
    tokens = new BearerTokens([only], clock);
    await refused(jwt(), /not taken/);
    const ec = await generateKeyPair('ES256');
    provider.keys = [{ ...(await exportJWK(ec.publicKey)), kid: 'ec' }];
    const token = await jwt({}, { alg: 'ES256', kid: 'ec' }, ec.privateKey);
    assert.equal((await tokens.authenticate(token)).tenant, 'acme');
  });

  test('by an unknown key makes us ask its issuer once, and not for each', async () => {
    await tokens.authenticate(await jwt());
    const before = provider.asked.length;
    for (let i = 0; i < 50; i++) await refused(jwt({}, { kid: `k${i}` }), /not signed/);
    assert.ok(provider.asked.length - before <= 1, `asked ${provider.asked.length - before} times`);
  });

  test('whose issuer cannot be asked lets nobody in, and says so', async () => {
    const token = await jwt();
    provider.fails = true;
    await refused(token, /cannot be had/, 'AUTHENTICATION_UNAVAILABLE');
    provider.fails = false;
    time.steady += 10_000;
    assert.equal((await tokens.authenticate(token)).tenant, 'acme');
    // What was fetched before goes on being good.
    provider.fails = true;
    assert.equal((await tokens.authenticate(await jwt({ jti: 'another' }))).tenant, 'acme');
  });

  test('whose issuer is down makes us ask it now and then, and not for each', async () => {
    tokens = new BearerTokens(
      [{ ...rules, issuer: provider.issuer, jwksUri: `${provider.issuer}/jwks` }],
      clock,
    );
    time.steady += 10_000;
    provider.fails = true;
    const before = provider.asked.length;
    for (let i = 0; i < 20; i++)
      await refused(jwt(), /cannot be had/, 'AUTHENTICATION_UNAVAILABLE');
    assert.equal(provider.asked.length - before, 1);
    provider.fails = false;
    time.steady += 10_000;
    await tokens.authenticate(await jwt());
    // With its keys at hand, tokens by made-up keys keep nobody out while it is down.
    provider.fails = true;
    for (let i = 0; i < 5; i++) {
      const text = await jwt({}, { kid: `made up ${i}` });
      await assert.rejects(async () => await tokens.authenticate(text));
      await tokens.authenticate(await jwt({ jti: `${i}` }));
    }
  });

  test('whose keys cannot be had is neither taken nor wrong', async () => {
    for (const issuer of [
      { ...rules, issuer: provider.issuer, jwksUri: `${provider.issuer}/jwks` },
      { ...rules, issuer: provider.issuer },
    ]) {
      tokens = new BearerTokens([issuer], clock);
      time.steady += 10_000;
      provider.fails = true;
      await refused(jwt(), /cannot be had/, 'AUTHENTICATION_UNAVAILABLE');
      provider.fails = false;
    }
    provider.document = { issuer: 'https://evil.example', jwks_uri: `${provider.issuer}/jwks` };
    tokens = new BearerTokens([{ ...rules, issuer: provider.issuer }], clock);
    await refused(jwt(), /cannot be had/, 'AUTHENTICATION_UNAVAILABLE');
    provider.keys = [{ kty: 'RSA', kid: 'one', n: '!!', e: 'AQAB' }];
    tokens = new BearerTokens(
      [{ ...rules, issuer: provider.issuer, jwksUri: `${provider.issuer}/jwks` }],
      clock,
    );
    await assert.rejects(async () => await tokens.authenticate(await jwt()));
  });

  test('whose issuer names keys without end, or keys that anybody could send, is not taken', async (t) => {
    provider.document = {
      issuer: provider.issuer,
      jwks_uri: `${provider.issuer}/jwks`,
      padding: 'x'.repeat(2 ** 20),
    };
    tokens = new BearerTokens([{ ...rules, issuer: provider.issuer }], clock);
    const before = provider.asked.length;
    await refused(jwt(), /cannot be had/, 'AUTHENTICATION_UNAVAILABLE');
    assert.deepEqual(provider.asked.slice(before), ['/.well-known/openid-configuration']);

    const issuer = 'https://idp.example';
    const fetched = t.mock.method(globalThis, 'fetch', () =>
      Promise.resolve(
        Response.json({ issuer, jwks_uri: 'http://idp.example/jwks', keys: [publicJwk] }),
      ),
    );
    tokens = new BearerTokens([{ ...rules, issuer }], clock);
    await refused(jwt({ iss: issuer }), /cannot be had/, 'AUTHENTICATION_UNAVAILABLE');
    assert.equal(fetched.mock.callCount(), 1);
  });

  test('gets through the gate as long as its tenant is there and enabled', async () => {
    await using place = await securityPlace({
      auth: { oidc: [{ ...rules, issuer: provider.issuer } as never] },
    });
    const token = await jwt({ exp: Math.floor(Date.now() / 1000) + 600 });
    assert.equal((await enter(place.security, `Bearer ${token}`)).tenant, 'acme');
    await place.security.tenants.update('acme', { disabled: true, by: 'test' });
    await assert.rejects(() => enter(place.security, `Bearer ${token}`), {
      code: 'FORBIDDEN',
      message: /disabled/,
    });
    const nobody = await jwt({ org: 'initech' });
    await assert.rejects(() => enter(place.security, `Bearer ${nobody}`), {
      code: 'FORBIDDEN',
      message: /no such tenant/,
    });
  });
});
