/** API keys: what is kept of them, who gets in, and when nobody does any more. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ApiKeys } from '../../../src/server/security/api-keys.ts';
import { KeyRegistry } from '../../../src/server/security/key-registry.ts';
import { idOfToken, newKeyId, newToken } from '../../../src/server/security/key-token.ts';
import { SecretHasher } from '../../../src/server/security/secret-hash.ts';
import { VerifiedTokens } from '../../../src/server/security/verified-tokens.ts';
import { SqliteServiceStore } from '../../../src/store/sqlite-service-store.ts';
import { enter, knock, START, securityPlace } from './place.ts';

const refused = (code: string, message: RegExp) => ({ code, message });
const HOUR = 3600_000;

describe('an API key', () => {
  test('lets its holder in as what it was made for', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('executor');
    const caller = await enter(place.security, `Bearer ${token}`);
    assert.deepEqual(
      { ...caller, scopes: [...caller.scopes] },
      {
        tenant: 'acme',
        subject: `key:${id}`,
        scopes: ['modules:read', 'modules:execute'],
        isOperator: false,
        keyId: id,
      },
    );
    assert.ok(
      !((await place.security.gate.authenticate(knock(`Bearer ${token}`))) instanceof Promise),
    );
    assert.equal((await enter(place.security, `bEARER ${token}`)).keyId, id);
  });

  test('has 256 bits that nobody has chosen, and no two are alike', () => {
    const tokens = new Set(Array.from({ length: 2000 }, () => newToken('a'.repeat(16))));
    assert.equal(tokens.size, 2000);
    const letters = new Map<string, number>();
    for (const token of tokens) {
      assert.match(token, /^csn_a{16}_[A-Za-z0-9]{43}$/);
      for (const letter of token.slice(21)) letters.set(letter, (letters.get(letter) ?? 0) + 1);
    }
    assert.equal(letters.size, 62);
    const mean = (2000 * 43) / 62;
    for (const [letter, count] of letters) {
      assert.ok(Math.abs(count - mean) < 8 * Math.sqrt(mean), `${letter}: ${count} of ${mean}`);
    }
    assert.ok(43 * Math.log2(62) >= 256);
    assert.notEqual(newKeyId(), newKeyId());
  });

  test('is kept nowhere: neither in the file nor in the log beside it', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('admin');
    await enter(place.security, `Bearer ${token}`);
    const secret = token.slice(21);
    for (const name of ['service.db', 'service.db-wal']) {
      const bytes = readFileSync(join(place.directory, name));
      assert.equal(bytes.indexOf(secret), -1);
      assert.equal(bytes.indexOf(Buffer.from(secret).toString('base64').slice(2, 40)), -1);
    }
    const listed = JSON.stringify(await place.security.keys.list());
    assert.ok(!listed.includes(secret) && !listed.includes('digest') && !listed.includes('salt'));
  });

  test('of another shape, another secret or nobody is refused, all in the same words', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    const other = token.endsWith('A') ? 'B' : 'A';
    for (const wrong of [
      `${token.slice(0, -1)}${other}`,
      newToken(newKeyId()),
      newToken(idOfToken(token) ?? ''),
      token.slice(0, -1),
      `${token}A`,
      'csn_',
      'csn_________________________________________________________________',
      token.toUpperCase().replace('CSN', 'csn'),
    ]) {
      await assert.rejects(
        () => enter(place.security, `Bearer ${wrong}`),
        refused('UNAUTHENTICATED', /^the credential is no API key of this service$/),
        wrong,
      );
    }
  });

  test('that nobody has costs as much work as a wrong secret', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    const { keys } = place.store;
    const reckoned: string[] = [];
    class Counting extends SecretHasher {
      override async find(...args: Parameters<SecretHasher['find']>) {
        reckoned.push(`${args[1].length} kept`);
        return await super.find(...args);
      }
      override async pretend(text: string) {
        reckoned.push('pretended');
        return await super.pretend(text);
      }
    }
    const apiKeys = new ApiKeys({ store: keys, revision: () => place.store.revision() });
    Object.defineProperty(apiKeys, 'hasher', {
      value: new Counting({ cost: 16, blockSize: 8, parallelization: 1 }),
    });
    for (const wrong of [newToken(newKeyId()), newToken(idOfToken(token) ?? '')]) {
      await assert.rejects(async () => await apiKeys.authenticate(wrong, '192.0.2.9'));
    }
    assert.deepEqual(reckoned, ['0 kept', 'pretended', '0 kept', 'pretended']);
    await apiKeys.close();
  });

  test('that was rotated costs one reckoning, too: both secrets have one salt', async () => {
    await using place = await securityPlace();
    const { id } = await place.key('viewer');
    await place.security.keys.rotate('acme', id);
    const { record } = (await place.store.keys.get(id)) ?? {};
    assert.equal(record?.secrets.length, 2);
    assert.equal(new Set(record?.secrets.map(({ hash }) => hash.salt)).size, 1);
    assert.equal(new Set(record?.secrets.map(({ hash }) => hash.digest)).size, 2);
  });
});

describe('a key ends', () => {
  test('when it is revoked: at the next request, also one that was just let in', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('viewer');
    await enter(place.security, `Bearer ${token}`);
    const revoked = await place.security.keys.revoke('acme', id, { by: 'me', reason: 'lost' });
    assert.equal(revoked.state, 'revoked');
    await assert.rejects(
      () => enter(place.security, `Bearer ${token}`),
      refused('UNAUTHENTICATED', /revoked/),
    );
    place.time.wall += HOUR;
    const again = await place.security.keys.revoke('acme', id, { by: 'you', reason: 'again' });
    assert.deepEqual(again.revoked, { atMs: START, by: 'me', reason: 'lost' });
    await assert.rejects(() => place.security.keys.rotate('acme', id), { code: 'CONFLICT' });
  });

  test('when another process revokes it', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('viewer');
    await enter(place.security, `Bearer ${token}`);
    await using other = SqliteServiceStore.open(SqliteServiceStore.fileIn(place.directory));
    await new KeyRegistry(other.keys).revoke('acme', id, { by: 'cli' });
    await setTimeout(20);
    await assert.rejects(
      () => enter(place.security, `Bearer ${token}`),
      refused('UNAUTHENTICATED', /revoked/),
    );
  });

  test('when its time has come, and not a moment later', async () => {
    await using place = await securityPlace();
    const { token } = await place.security.keys.create({
      ...{ tenant: 'acme', name: '', roles: ['viewer'], scopes: [], by: 'test' },
      expiresMs: START + HOUR,
    });
    place.time.wall = START + HOUR - 1;
    await enter(place.security, `Bearer ${token}`);
    place.time.wall = START + HOUR;
    await assert.rejects(
      () => enter(place.security, `Bearer ${token}`),
      refused('UNAUTHENTICATED', /expired/),
    );
  });

  test('and a clock that is set back does not bring it back', async () => {
    await using place = await securityPlace();
    const { token } = await place.security.keys.create({
      ...{ tenant: 'acme', name: '', roles: ['viewer'], scopes: [], by: 'test' },
      expiresMs: START + HOUR,
    });
    place.time.wall = START + HOUR;
    place.time.steady += HOUR;
    await assert.rejects(() => enter(place.security, `Bearer ${token}`), /expired/);
    place.time.wall = START - 10 * HOUR;
    await assert.rejects(() => enter(place.security, `Bearer ${token}`), /expired/);
  });

  test('a secret that was replaced is good until its overlap is over', async () => {
    await using place = await securityPlace();
    const { id, token: first } = await place.key('viewer');
    await enter(place.security, `Bearer ${first}`);
    const { token: second } = await place.security.keys.rotate('acme', id, { overlapMs: HOUR });
    for (const token of [first, second])
      assert.equal((await enter(place.security, `Bearer ${token}`)).keyId, id);
    place.time.wall += HOUR;
    place.time.steady += HOUR;
    await assert.rejects(() => enter(place.security, `Bearer ${first}`), /replaced/);
    await enter(place.security, `Bearer ${second}`);
    place.time.wall -= 2 * HOUR;
    await assert.rejects(() => enter(place.security, `Bearer ${first}`), /replaced/);
  });

  test('rotated twice, the first secret is gone, whatever its overlap was', async () => {
    await using place = await securityPlace();
    const { id, token: first } = await place.key('viewer');
    const { token: second } = await place.security.keys.rotate('acme', id, {
      overlapMs: 10 * HOUR,
    });
    const { token: third } = await place.security.keys.rotate('acme', id, { overlapMs: 0 });
    for (const token of [first, second]) {
      await assert.rejects(() => enter(place.security, `Bearer ${token}`), {
        code: 'UNAUTHENTICATED',
      });
    }
    await enter(place.security, `Bearer ${third}`);
  });
});

describe('a registry of keys', () => {
  test('shows a tenant nothing of another’s', async () => {
    await using place = await securityPlace();
    const { id } = await place.key('viewer', 'globex');
    const { keys } = place.security;
    for (const act of [
      () => keys.get('acme', id),
      () => keys.rotate('acme', id),
      () => keys.revoke('acme', id, { by: 'me' }),
    ]) {
      await assert.rejects(act, { code: 'NOT_FOUND' });
    }
    assert.deepEqual(await keys.list({ tenant: 'acme' }), []);
    assert.equal((await keys.get('globex', id)).state, 'valid');
  });

  test('refuses what makes no sense', async () => {
    await using place = await securityPlace();
    const { keys } = place.security;
    const wanted = { tenant: 'acme', name: '', roles: ['viewer'], scopes: [], by: 'test' };
    for (const wrong of [
      { roles: [] },
      { roles: ['root'] },
      { roles: ['constructor'] },
      { scopes: ['*'] },
      { scopes: ['sandboxes:read', 'Sandboxes:Write'] },
      { expiresMs: START },
      { expiresMs: Number.NaN },
      { name: 'a\nb' },
      { name: '\u202Eb' },
      { name: 'x'.repeat(200) },
    ]) {
      await assert.rejects(
        () => keys.create({ ...wanted, ...wrong }),
        { code: 'REQUEST_INVALID' },
        JSON.stringify(wrong),
      );
    }
    for (const overlapMs of [-1, 1.5, Number.POSITIVE_INFINITY, 91 * 24 * HOUR]) {
      const { id } = await place.key('viewer');
      await assert.rejects(() => keys.rotate('acme', id, { overlapMs }), {
        code: 'REQUEST_INVALID',
      });
    }
    assert.equal((await keys.create({ ...wanted, name: 'Büro 3' })).key.name, 'Büro 3');
  });

  test('writes down when a key was used last', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('viewer');
    await enter(place.security, `Bearer ${token}`);
    place.time.wall += 5000;
    await enter(place.security, `Bearer ${token}`);
    await place.security.close();
    assert.equal((await place.security.keys.get('acme', id)).lastUsedMs, START + 5000);
  });
});

describe('wrong credentials', () => {
  test('make whoever sends many wait, and nobody else who has a key', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    const { id, token: other } = await place.key('viewer');
    const flood = async (wrong: () => string) => {
      let waits = 0;
      for (let i = 0; i < 40; i++) {
        await assert.rejects(
          () => enter(place.security, `Bearer ${wrong()}`),
          ({ code, details }: { code: string; details: { retryAfterSeconds?: number } }) => {
            if (code === 'RATE_LIMITED') waits = details.retryAfterSeconds ?? 0;
            return code === 'RATE_LIMITED' || code === 'UNAUTHENTICATED';
          },
        );
      }
      return waits;
    };
    assert.ok((await flood(() => newToken(newKeyId()))) > 0);
    await enter(place.security, `Bearer ${token}`);
    // Whoever knows the id of a key waits as well, and its holder does not: not even one that was never let in before.
    const waits = await flood(() => newToken(id));
    assert.ok(waits > 0);
    await assert.rejects(() => enter(place.security, `Bearer ${newToken(id)}`), {
      code: 'RATE_LIMITED',
    });
    await enter(place.security, `Bearer ${other}`);
    const { token: rotated } = await place.security.keys.rotate('acme', id);
    await enter(place.security, `Bearer ${rotated}`);
    // Nor when what was proven is forgotten.
    place.time.steady += 11 * 60_000;
    await flood(() => newToken(id));
    await enter(place.security, `Bearer ${other}`);
    place.time.steady += waits * 1000;
    await assert.rejects(() => enter(place.security, `Bearer ${newToken(id)}`), {
      code: 'UNAUTHENTICATED',
    });
  });

  test('of as many as may be checked at once keep no right one from being checked', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('viewer');
    const apiKeys = new ApiKeys({
      store: place.store.keys,
      revision: () => place.store.revision(),
      hashing: { cost: 2 ** 14, blockSize: 8, parallelization: 1 },
    });
    const codes: string[] = [];
    const flood = Array.from({ length: 200 }, async (_, i) => {
      await assert.rejects(
        async () => await apiKeys.authenticate(newToken(id), `198.51.100.${i}`),
        ({ code }) => codes.push(code) > 0,
      );
    });
    // They are in line before it.
    await setTimeout(20);
    assert.equal((await apiKeys.authenticate(token, '192.0.2.1')).keyId, id);
    assert.ok(codes.filter((code) => code === 'UNAUTHENTICATED').length < 66);
    await Promise.all(flood);
    assert.ok(codes.includes('RATE_LIMITED'));
    await apiKeys.close();
  });

  test('a key of before, without a check, is let in as ever', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('viewer');
    await place.store.keys.update('acme', id, (record) => ({
      ...record,
      secrets: record.secrets.map(({ check: _, ...secret }) => secret),
    }));
    await assert.rejects(() => enter(place.security, `Bearer ${newToken(id)}`), {
      code: 'UNAUTHENTICATED',
    });
    assert.equal((await enter(place.security, `Bearer ${token}`)).keyId, id);
  });

  test('from one IPv6 network count together, and IPv4 in either form', async () => {
    await using place = await securityPlace();
    const wrong = `Bearer ${newToken(newKeyId())}`;
    for (let i = 0; i < 40; i++) {
      await assert.rejects(() => enter(place.security, wrong, { address: `2001:db8::${i + 1}` }));
      await assert.rejects(() => enter(place.security, wrong, { address: '::ffff:198.51.100.1' }));
    }
    for (const [address, code] of [
      ['2001:db8::ffff', 'RATE_LIMITED'],
      ['2001:db8::ffff%eth0', 'RATE_LIMITED'],
      ['198.51.100.1', 'RATE_LIMITED'],
      ['2001:db8:0:1::1', 'UNAUTHENTICATED'],
    ] as const) {
      await assert.rejects(() => enter(place.security, wrong, { address }), { code });
    }
  });

  test('an ended key that is sent over and over has to wait, too', async () => {
    await using place = await securityPlace();
    const { id, token } = await place.key('viewer');
    await place.security.keys.revoke('acme', id, { by: 'me' });
    const codes = new Set<string>();
    for (let i = 0; i < 40; i++) {
      await enter(place.security, `Bearer ${token}`).catch(({ code }) => codes.add(code));
    }
    assert.deepEqual([...codes], ['UNAUTHENTICATED', 'RATE_LIMITED']);
  });

  test('a thousand requests with one new key prove it once', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    const all = Array.from({ length: 1000 }, () => enter(place.security, `Bearer ${token}`));
    assert.equal((await Promise.all(all)).length, 1000);
  });

  test('a flood of made-up ones is turned away before it fills the memory, and holds up no key', async () => {
    const hasher = new SecretHasher({ cost: 2 ** 12, blockSize: 8, parallelization: 1 });
    const kept = await hasher.hash('a key');
    const places: number[] = [];
    for (let round = 0; round < 5; round++) {
      const done: string[] = [];
      const flood = Array.from({ length: 200 }, () =>
        hasher.pretend('x').then(
          () => done.push('pretended'),
          ({ code }) => done.push(code),
        ),
      );
      const real = hasher.find('a key', [kept]).then((found) => done.push(String(found === kept)));
      await Promise.all([...flood, real]);
      assert.equal(done.filter((each) => each === 'pretended').length, 66);
      assert.equal(done.filter((each) => each === 'RATE_LIMITED').length, 134);
      places.push(done.filter((each) => each !== 'RATE_LIMITED').indexOf('true'));
    }
    // Two threads reckon: where one is held up, the other one goes on meanwhile.
    assert.ok(places.filter((place) => place >= 0 && place <= 4).length >= 3, `${places}`);
  });
});

test('what was proven is remembered for a while, bounded, and not by the token itself', () => {
  let now = 0;
  const known = new VerifiedTokens<number>(2, () => now);
  const other = new VerifiedTokens<number>(2, () => now);
  const [a, b, c] = ['a', 'b', 'c'].map((each) => known.digest(each)) as [string, string, string];
  assert.notEqual(known.digest('a'), other.digest('a'), 'each process has a key of its own');
  known.set(a, 1, 100);
  known.set(b, 2, 100);
  assert.equal(known.get(a), 1);
  known.set(c, 3, 100);
  assert.deepEqual([known.get(a), known.get(b), known.get(c)], [1, undefined, 3]);
  now = 100;
  assert.deepEqual([known.get(a), known.get(c), known.size], [undefined, undefined, 0]);
});
