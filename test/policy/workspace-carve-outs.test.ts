/** A part of the workspace is carved out of something that names the workspace, or the policy is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { containsPath } from '../../src/policy/path-set.ts';

function policy(filesystem: NonNullable<PolicyDocument['filesystem']>) {
  return policyFromDocument({ level: 'strict', filesystem });
}

test('beside absolute paths alone it would carve nothing, and show where the workspace lies below them', () => {
  const refused = (filesystem: NonNullable<PolicyDocument['filesystem']>) =>
    assert.throws(() => policy(filesystem), {
      code: 'POLICY_INVALID',
      message: /secret is carved out of the workspace, of which filesystem\.(read|write) names/,
    });
  refused({ read: ['/srv', '!secret'] });
  refused({ read: ['/srv', 'src', '!secret'] });
  refused({ read: ['.', '!secret'], write: ['/srv', '!secret'] });
});

test('beside the workspace, a part of it, or what may be written, it holds', () => {
  const cases = [
    ['secret', { read: ['.', '/srv', '!secret'] }],
    ['secret/key', { read: ['secret', '!secret/key'] }],
    ['src/secret', { read: ['!src/secret'], write: ['src', '!src/secret'] }],
  ] as const;
  for (const [carved, { read, ...more }] of cases) {
    const made = policy({
      read: [...read],
      ...('write' in more ? { write: [...more.write] } : {}),
    });
    assert.equal(containsPath(made.read, `$workspace/${carved}`), false, carved);
  }
});

test('what is carved out of both, and named again below it for writing, is what may be read there', () => {
  const made = policy({
    read: ['/', '!/home'],
    write: ['/home/me/cache', '!/home'],
  });
  assert.equal(containsPath(made.read, '/home/me/cache/x'), true);
  assert.equal(containsPath(made.read, '/home/me'), false);
  assert.equal(containsPath(made.write, '/home/me'), false);
  assert.throws(() => policy({ read: ['/', '!/home'], write: ['/home/me/cache'] }), {
    code: 'POLICY_INVALID',
    message: /which implies reading/,
  });
  assert.throws(
    () => policy({ read: ['/', '!/home'], write: ['/home', '/home/me', '!/home/me'] }),
    {
      code: 'POLICY_INVALID',
      message: /which implies reading/,
    },
  );
});
