/**
 * A directory that a WASM guest finds open is read for it by its host process. What the policy takes out again below that
 * directory (`!path`) the guest must not get there either: by its name, or by a link as the directory itself.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Caisson } from '../../src/index.ts';

const CAT = `
#include <stdio.h>
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "r");
  if (!f) return 3;
  for (int c; (c = fgetc(f)) != EOF;) putchar(c);
  return 0;
}`;

const probe = spawnSync('clang', ['--target=wasm32-wasi', '-x', 'c', '-', '-o', '/dev/null'], {
  input: 'int main(void) { return 0; }',
});
const skip = probe.status === 0 ? false : 'clang with wasi-libc is not installed';

describe('what a policy takes out below an open directory', { skip }, () => {
  let root: string;
  let module: Buffer;
  let caisson: Caisson;
  before(async () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-carved-')));
    mkdirSync(join(root, 'data/secret'), { recursive: true });
    writeFileSync(join(root, 'data/secret/key'), 'key');
    writeFileSync(join(root, 'data/open'), 'open');
    symlinkSync(join(root, 'data/secret'), join(root, 'data/link'));
    const path = join(root, 'cat.wasm');
    spawnSync('clang', ['--target=wasm32-wasi', '-x', 'c', '-', '-o', path], { input: CAT });
    module = readFileSync(path);
    caisson = await Caisson.open();
  });
  after(async () => {
    await caisson.close();
    rmSync(root, { recursive: true });
  });

  async function cat(directory: string, file: string, carved: boolean): Promise<string> {
    const data = join(root, 'data');
    const read = carved ? [data, `!${join(data, 'secret')}`] : [data];
    const { stdout } = await caisson.eval('wasm', module, {
      policy: { filesystem: { read } },
      words: [file],
      wasm: { preopens: { '/d': join(root, directory) } },
    });
    return stdout.text;
  }

  test('is read where nothing is taken out, and what is beside it always', async () => {
    assert.equal(await cat('data', '/d/secret/key', false), 'key');
    assert.equal(await cat('data/link', '/d/key', false), 'key');
    assert.equal(await cat('data', '/d/open', true), 'open');
  });

  test('is not read by its name', async () => {
    assert.equal(await cat('data', '/d/secret/key', true), '');
  });

  test('is not read by a link to it', async () => {
    assert.equal(await cat('data/link', '/d/key', true), '');
  });
});
