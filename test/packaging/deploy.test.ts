/** The files of packaging/deploy against what they name: commands, flags, keys, ports, paths, capabilities. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { commands } from '../../src/cli/commands.ts';
import { errorCodes } from '../../src/core/error.ts';
import { parseDuration } from '../../src/core/units.ts';
import { parseConfig } from '../../src/server/config/config.ts';
import { loadConfig } from '../../src/server/config/load-config.ts';

const repository = resolve(import.meta.dirname, '../..');
const deploy = join(repository, 'packaging/deploy');
const read = (name: string): string => readFileSync(join(deploy, name), 'utf8');
const defaults = parseConfig({});

/** `caisson serve --config X`: the command is there, and takes the flags. */
function assertCommand(words: readonly string[]): void {
  const found = commands.find(({ name }) => {
    const given = name.split(' ');
    return given.every((word, i) => words[i] === word);
  });
  assert.ok(found, words.join(' '));
  for (const word of words) {
    if (word.startsWith('--')) assert.ok(word.slice(2) in found.flags, `${found.name} ${word}`);
  }
}

/** Comment lines that type `caisson …`. */
function typedCommands(text: string): string[][] {
  return [...text.matchAll(/(?:\.bin\/| )caisson ((?:serve|config|access|doctor)\b[^\n`]*)/g)].map(
    (match) =>
      (match[1] ?? '')
        .trim()
        .replace(/[.,].*$/, '')
        .split(/\s+/),
  );
}

describe('the systemd unit', () => {
  const unit = read('systemd/caisson.service');
  const all = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((match) => match[1] ?? '');

  test('systemd takes it', {
    skip:
      spawnSync('systemd-analyze', ['--version']).status === 0
        ? false
        : 'systemd-analyze is not installed',
  }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-unit-'));
    try {
      const path = join(directory, 'caisson.service');
      writeFileSync(
        path,
        unit.replaceAll('/opt/caisson/node_modules/.bin/caisson', join(repository, 'bin/caisson')),
      );
      const { status, stdout, stderr } = spawnSync(
        'systemd-analyze',
        ['verify', '--man=no', path],
        { encoding: 'utf8' },
      );
      const told = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('caisson'));
      assert.deepEqual(told, []);
      assert.equal(status, 0, stderr);
      writeFileSync(path, unit.replace('Delegate=', 'Delegat='));
      const bad = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
      assert.match(bad.stderr, /Delegat/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('its commands are there, its environment is a configuration', async () => {
    for (const line of [...all('ExecStartPre'), ...all('ExecStart')]) {
      const [program, ...words] = line.split(' ');
      assert.equal(program, '/opt/caisson/node_modules/.bin/caisson');
      assertCommand(words);
    }
    const typed = typedCommands(unit);
    assert.ok(typed.length >= 2);
    for (const words of typed) assertCommand(words);
    const environment = Object.fromEntries(
      all('Environment').map((each) => each.split('=') as [string, string]),
    );
    assert.equal(environment.CAISSON_CONFIG, '/etc/caisson/config.yaml');
    const { config } = await loadConfig({
      environment: { ...environment, CAISSON_CONFIG: join(deploy, 'config.yaml') },
    });
    assert.equal(config.stateDirectory, `/var/lib/${all('StateDirectory')[0]}`);
    assert.deepEqual(all('StateDirectoryMode'), ['0700']);
  });

  test('it waits for what is drained, and does not try an invalid configuration again', () => {
    assert.ok(parseDuration(all('TimeoutStopSec')[0] ?? '') > defaults.drainTimeoutMs);
    assert.deepEqual(all('RestartPreventExitStatus'), [String(errorCodes.CONFIG_INVALID.exit)]);
    assert.deepEqual(all('KillMode'), ['mixed']);
  });

  test('nothing that sandboxes are made with is taken away, and nothing more is given', () => {
    for (const key of [
      'RestrictNamespaces',
      'SystemCallFilter',
      'ProtectProc',
      'ProcSubset',
      'ProtectKernelTunables',
      'ProtectKernelLogs',
      'ProtectControlGroups',
      'ProtectHostname',
      'PrivateUsers',
      'MemoryDenyWriteExecute',
    ]) {
      assert.deepEqual(all(key), [], key);
      assert.ok(unit.includes(key), `${key} is left out without a word`);
    }
    assert.deepEqual(all('CapabilityBoundingSet'), ['']);
    assert.deepEqual(all('NoNewPrivileges'), ['yes']);
    assert.deepEqual(all('OOMPolicy'), ['continue']);
    assert.match(all('Delegate')[0] ?? '', /cpu memory pids/);
  });
});

test('the example of a configuration is one', async () => {
  const { config } = await loadConfig({ file: join(deploy, 'config.yaml'), environment: {} });
  assert.equal(config.listen.port, defaults.listen.port);
  const schema = /\$schema=(\S+)/.exec(read('config.yaml'))?.[1] ?? '';
  assert.ok(existsSync(join(deploy, schema)), schema);
});

describe('the container', () => {
  const recipe = read('container/Containerfile').replaceAll('\\\n', ' ');
  const instructions = (name: string): string[] =>
    [...recipe.matchAll(new RegExp(`^${name} +(.*)$`, 'gm'))].map((match) => match[1] ?? '');
  const environment = Object.fromEntries(
    [...(instructions('ENV')[0] ?? '').matchAll(/(\S+?)=(\S+)/g)].map(([, name, value]) => [
      name ?? '',
      value ?? '',
    ]),
  );
  const compose = parse(read('container/compose.yaml')).services.caisson;
  const limits = parse(read('container/compose.limits.yaml')).services.caisson;

  test('what it copies and runs is there', () => {
    const scripts: Record<string, string> = JSON.parse(
      readFileSync(join(repository, 'package.json'), 'utf8'),
    ).scripts;
    for (const [, script] of recipe.matchAll(/npm run (\S+)/g))
      assert.ok(scripts[script ?? ''], script);
    assert.ok(existsSync(join(repository, 'native/launcher/Makefile')));
    for (const line of instructions('COPY').filter((each) => !each.startsWith('--from'))) {
      for (const path of line.split(/\s+/).slice(0, -1))
        assert.ok(existsSync(join(repository, path)), path);
    }
    assertCommand(JSON.parse(instructions('CMD')[0] ?? '[]'));
    const node = /FROM docker\.io\/library\/node:(\d+)/.exec(recipe)?.[1];
    const { engines } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    assert.equal(engines.node, `>=${node}.${engines.node.split('.')[1]}`);
    const ignored = read('container/Containerfile.dockerignore').split('\n');
    for (const path of ['node_modules', '.git', 'dist']) assert.ok(ignored.includes(path));
  });

  test('its environment is a configuration; ports, places and times fit', async () => {
    const { config } = await loadConfig({
      environment: { ...environment, ...compose.environment },
    });
    const port = String(config.listen.port);
    assert.deepEqual(instructions('EXPOSE'), [port]);
    assert.deepEqual(compose.ports, [`127.0.0.1:${port}:${port}`]);
    assert.deepEqual(instructions('VOLUME'), [config.stateDirectory]);
    assert.deepEqual(compose.volumes, [`state:${config.stateDirectory}`]);
    assert.deepEqual(config.accept, ['limits.memory:no-cgroup', 'limits.cpu:no-cgroup']);
    assert.ok(parseDuration(compose.stop_grace_period) > config.drainTimeoutMs);
    const strict = await loadConfig({ environment: { ...environment, ...limits.environment } });
    assert.deepEqual(strict.config.accept, []);
    assert.equal(
      resolve(deploy, 'container', compose.build.context, compose.build.dockerfile),
      join(deploy, 'container/Containerfile'),
    );
  });

  test('an ordinary user without capabilities; with limits, root with the seven that were measured', () => {
    assert.deepEqual(instructions('USER'), ['10001']);
    assert.deepEqual(
      [compose.cap_drop, compose.cap_add, compose.privileged],
      [['ALL'], undefined, undefined],
    );
    assert.equal(compose.read_only, true);
    assert.deepEqual(limits.cap_add, [
      'SYS_ADMIN',
      'SETUID',
      'SETGID',
      'SETFCAP',
      'DAC_OVERRIDE',
      'SYS_CHROOT',
      'MKNOD',
    ]);
    const page = readFileSync(join(repository, 'docs/deployment.md'), 'utf8');
    for (const name of limits.cap_add) assert.ok(page.includes(`CAP_${name}`), name);
    for (const words of [...typedCommands(read('container/compose.yaml')), ...typedCommands(page)])
      assertCommand(words);
  });
});
