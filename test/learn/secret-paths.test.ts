/** Names that point to secrets, and some that only look like it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretAt } from '../../src/learn/secret-paths.ts';

test('what holds secrets by its name is marked', () => {
  for (const path of [
    '/home/me/.ssh/config',
    '/home/me/.aws/credentials',
    '/home/me/.config/gh/hosts.yml',
    '/home/me/.npmrc',
    '/w/.env',
    '/w/.env.local',
    '/w/deploy/server.key',
    '/w/secrets.yaml',
    '/etc/shadow',
  ]) {
    assert.notEqual(secretAt(path), undefined, path);
  }
});

test('what is public, or only sounds alike, is not', () => {
  for (const path of [
    '/usr/lib/python3/secrets.py',
    '/etc/ssl/certs/x.pem',
    '/w/venv/certifi/cacert.pem',
    '/w/.envrc.d',
    '/w/src/keyboard.c',
    '/w/environment',
  ]) {
    assert.equal(secretAt(path), undefined, path);
  }
});
