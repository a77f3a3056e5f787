/** A registry of signers that the code itself could write is believed by nobody. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { signCode } from '../../src/admission/signing/sign-statement.ts';
import { TrustFile } from '../../src/admission/signing/trust-file.ts';
import { Caisson, isCaissonError, type PolicyDocument } from '../../src/index.ts';
import { digestOf, person } from '../admission/signing/fixture.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-trust-reach-')));
after(() => rmSync(root, { recursive: true, force: true }));
const workspace = join(root, 'workspace');
for (const name of ['state', 'workspace', 'workspace/out', 'apart'])
  mkdirSync(join(root, name), { mode: 0o700 });

const alice = person('alice');
const words = ['/bin/echo', 'hello'];
const CODE = 'export default () => 42';
const signature = (
  id: string,
  digest: string,
  kind: 'command' | 'javascript',
  version?: string,
) => [
  JSON.stringify(
    signCode(digest, { id, kind, ...(version === undefined ? {} : { version }) }, alice.privateKey),
  ),
];
const claims = {
  name: 'hello',
  signatures: signature('hello', digestOf(JSON.stringify(words)), 'command'),
};

function policyOf(write: readonly string[]): PolicyDocument {
  return {
    version: 1,
    level: 'strict',
    filesystem: { write: [...write] },
    admission: { scan: 'off', requires: 'signature' },
  };
}

async function ran(file: string, write: readonly string[]): Promise<string> {
  const trust = new TrustFile(file);
  trust.update(Date.now(), (document) => ({
    ...document,
    signers: [{ name: 'alice', key: alice.pem }],
  }));
  await using caisson = await Caisson.open({
    stateDirectory: join(root, 'state'),
    admission: { trust: file },
  });
  try {
    const { stdout } = await caisson.run(words, { policy: policyOf(write), workspace, claims });
    await using modules = await caisson.modules({ policy: policyOf(write), workspace });
    await modules.register({
      id: 'answer',
      version: '1.0.0',
      kind: 'js',
      code: CODE,
      signatures: signature('answer', digestOf(CODE), 'javascript', '1.0.0'),
    });
    return stdout.text.trim();
  } catch (error) {
    if (!isCaissonError(error)) throw error;
    return error.message;
  }
}

describe('a registry of signers', () => {
  test('where nothing of the policy reaches is believed', async () => {
    assert.equal(await ran(join(root, 'apart/trust.yaml'), ['.']), 'hello');
    assert.equal(await ran(join(workspace, 'trust.yaml'), ['out']), 'hello');
  });

  test('in a workspace, or a directory, that the code may write is not', async () => {
    const reached: [string, string[]][] = [
      [join(workspace, 'trust.yaml'), ['.']],
      [join(workspace, 'out/trust.yaml'), ['out']],
      [join(workspace, 'out/trust.yaml'), ['.']],
      [join(root, 'apart/trust.yaml'), [join(root, 'apart')]],
      [join(root, 'apart/trust.yaml'), [root]],
    ];
    for (const [file, write] of reached) {
      assert.match(await ran(file, write), /a guest can write/, `${file} ${write}`);
      rmSync(file);
    }
  });

  test('nor for modules alone, whose workspace that is', async () => {
    const file = join(workspace, 'trust.yaml');
    new TrustFile(file).update(Date.now(), (document) => ({
      ...document,
      signers: [{ name: 'alice', key: alice.pem }],
    }));
    await using caisson = await Caisson.open({
      stateDirectory: join(root, 'state'),
      admission: { trust: file },
    });
    await using modules = await caisson.modules({ policy: policyOf(['.']), workspace });
    await assert.rejects(
      modules.register({
        id: 'reached',
        version: '1.0.0',
        kind: 'js',
        code: CODE,
        signatures: signature('reached', digestOf(CODE), 'javascript', '1.0.0'),
      }),
      /a guest can write/,
    );
  });
});
