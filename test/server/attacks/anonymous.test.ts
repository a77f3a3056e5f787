/** Somebody from elsewhere, where programs of the machine need no credentials: through a browser, or through a proxy. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { type Served, served } from '../served.ts';

const REFUSED = [
  { host: 'evil.example' },
  { host: 'localhost.evil.example' },
  { host: '127.0.0.1.evil.example' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: 'http://127.0.0.1:1' },
  { 'sec-fetch-site': 'same-site' },
  { 'x-forwarded-for': '203.0.113.7' },
  { forwarded: 'for=203.0.113.7' },
  { via: '1.1 proxy' },
  { 'x-real-ip': '203.0.113.7' },
];

describe('without credentials, from elsewhere', () => {
  let service: Served;
  before(async () => {
    service = await served({ auth: { anonymous: true }, tenants: {}, audit: { enabled: false } });
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const create = (headers: Readonly<Record<string, string>>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = { 'content-type': 'application/json', ...headers };
      const asked = request(
        `${service.address}/api/sandboxes`,
        { method: 'POST', headers: sent },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      asked.on('error', reject);
      asked.end(JSON.stringify({ policy: 'moderate', workspace: 'private' }));
    });

  test('nothing is made; a program of the machine makes it', async () => {
    for (const headers of REFUSED) {
      assert.equal(await create(headers as Record<string, string>), 401, JSON.stringify(headers));
    }
    const { manager } = service.serving.service;
    assert.equal(manager.list().length, 0);
    assert.equal(await create({}), 201);
    assert.equal(manager.list().length, 1);
  });
});
