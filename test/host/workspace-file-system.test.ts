/** A workspace on a file system without idmapped mounts: refused by name, nothing run, nothing left. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson, isCaissonError } from '../../src/index.ts';
import { fileSystemName } from '../../src/launcher/file-system-name.ts';
import { NothingLeft } from '../nothing-left.ts';

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';

function mount(...args: string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** An overlayfs in a temporary directory, unmounted and checked to be afterwards. */
function overlayfs() {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-overlayfs-')));
  const layers = join(base, 'layers');
  const workspace = join(base, 'merged');
  for (const path of [layers, workspace]) mkdirSync(path);
  mount('-t', 'tmpfs', 'none', layers);
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(layers, name));
  for (const path of [lower, upper, work]) mkdirSync(path as string);
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  mount('-t', 'overlay', 'overlay', '-o', options, workspace);
  return {
    workspace,
    state: join(base, 'state'),
    [Symbol.dispose]: () => {
      for (const path of [workspace, layers]) {
        const { status, stderr } = spawnSync('umount', [path], { encoding: 'utf8' });
        assert.equal(status, 0, `nothing holds it any more: ${stderr}`);
      }
      rmSync(base, { recursive: true });
    },
  };
}

test('an overlayfs as workspace is refused with its name, the directory and a cure', {
  skip: needsRoot,
}, async () => {
  using place = overlayfs();
  const left = new NothingLeft();
  const mark = `${80_000 + process.pid}`;
  for (const filesystem of [
    { read: ['.'], write: ['.'] },
    { read: ['.'], write: ['.'], workspace: 'overlay', apply: 'manual' },
    { read: ['.'] },
  ] as const) {
    await using caisson = await Caisson.open({ stateDirectory: place.state });
    await assert.rejects(
      caisson.run(['sh', '-c', `echo ran > file; sleep ${mark}`], {
        policy: { version: 1, level: 'strict', filesystem } as never,
        workspace: place.workspace,
      }),
      (error) => {
        assert.ok(isCaissonError(error), String(error));
        assert.equal(error.code, 'WORKSPACE_UNSUPPORTED', error.message);
        assert.ok(error.message.includes(place.workspace), error.message);
        assert.match(error.message, /overlayfs/);
        assert.match(error.hint ?? '', /ext4, xfs, btrfs or tmpfs.*volume.*ordinary user/);
        return true;
      },
    );
    assert.deepEqual(readdirSync(place.workspace), [], 'nothing was run');
    assert.equal(spawnSync('pgrep', ['-f', `^sleep ${mark}$`]).status, 1);
    // The same Caisson goes on.
    assert.equal((await caisson.run(['true'])).code, 0);
    left.note();
  }
  assert.equal(await left.check(), 3);
  const pending = readdirSync(place.state, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    pending.filter((name) => name.includes('overlay_')),
    [],
    'no overlay is left pending',
  );
});

test('file systems by name', () => {
  assert.equal(fileSystemName('/proc'), 'proc');
  assert.equal(fileSystemName('/sys'), 'sysfs');
  assert.equal(fileSystemName('/no/such/path'), undefined);
});
