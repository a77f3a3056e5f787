/** Completion: each shell takes its script; bash is asked what it offers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { bashCompletion } from '../../src/cli/completion/bash.ts';
import { fishCompletion } from '../../src/cli/completion/fish.ts';
import { zshCompletion } from '../../src/cli/completion/zsh.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

for (const [shell, script] of [
  ['bash', bashCompletion(commands)],
  ['zsh', zshCompletion(commands)],
  ['fish', fishCompletion(commands)],
] as const) {
  test(`${shell} takes its script`, {
    skip: has(shell) ? false : `${shell} is not installed`,
  }, () => {
    const { status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
  });

  test(`${shell} is told of every command and flag`, () => {
    for (const command of commands) {
      for (const word of command.name.split(' ')) assert.ok(script.includes(word), word);
      for (const name of Object.keys(command.flags)) assert.ok(script.includes(name), name);
    }
  });
}

test('bash offers commands, flags, values', {
  skip: has('bash') ? false : 'bash is not installed',
}, () => {
  for (const [words, offered, not] of [
    [['caisson', 'r'], 'run', 'shell'],
    [['caisson', 'policy', ''], 'check', 'run'],
    [['caisson', 'policy', 'show', '--mem'], '--memory', '--net'],
    [['caisson', 'run', '--le'], '--level', '--list'],
    [['caisson', 'run', '--level', 'pa'], 'paranoid', 'strict'],
    [['caisson', 'run', '-l', 'mod'], 'moderate', 'strict'],
    [['caisson', 'completion', ''], 'fish', '--memory'],
    [['caisson', 'access', ''], 'tenants', 'create'],
    [['caisson', 'access', 'keys', ''], 'rotate', 'disable'],
    [['caisson', 'access', 'keys', 'create', '--role', 'op'], 'operator', 'viewer'],
  ] as const) {
    const offers = complete(words);
    assert.ok(offers.includes(offered), `${words.join(' ')} → ${offers.join(' ')}`);
    assert.ok(!offers.includes(not), `${words.join(' ')} → ${offers.join(' ')}`);
  }
  assert.deepEqual(complete(['caisson', 'run', '--', '--lev']), [], 'the guest’s own words');
});

function complete(words: readonly string[]): string[] {
  const script = `${bashCompletion(commands)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}
_caisson
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-s'], {
    input: script,
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((line) => line !== '');
}
