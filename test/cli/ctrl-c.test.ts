/** Ctrl-C as a person types it, at a real terminal: once it is the guest's, twice it ends the guest. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { entry, makePlace } from './caisson.ts';
import { typist } from './typist.ts';

const skip =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0 ? false : 'python3 is not installed';

type Step = readonly [seen: string, pauseSeconds: number, keys: readonly number[]];
const CTRL_C = 3;

const mark = `${90_000 + process.pid}`;
/** Counts what it hears and goes on; it has a child that hears nothing. */
const stubborn = `trap "" TERM HUP; trap 'n=$((n+1)); echo heard $n' INT; (trap "" INT; exec sleep ${mark}) & echo ready; while :; do sleep 0.1; done`;

function type(steps: readonly Step[], script: string, redirect = ''): number {
  using place = makePlace();
  const line = `${redirect === '' ? 'exec' : "trap '' INT;"} "$0" run --timeout 1m -- sh -c "$1" ${redirect}`;
  const { stdout, stderr } = spawnSync(
    'python3',
    ['-c', typist, JSON.stringify(steps), '/bin/sh', '-c', line, entry, script],
    { cwd: place.work, env: place.environment, encoding: 'utf8', timeout: 60_000 },
  );
  assert.equal(stderr, '');
  return Number(stdout);
}

const isRunning = () => spawnSync('pgrep', ['-f', `^sleep ${mark}$`]).status === 0;

test('once: the guest gets SIGINT and may go on, as often as it is typed slowly', { skip }, () => {
  const steps: Step[] = [
    ['ready', 0, [CTRL_C]],
    ['heard 1', 1.3, [CTRL_C]],
    ['heard 2', 1.3, [CTRL_C]],
  ];
  const script = `trap 'n=$((n+1)); echo heard $n; test $n -lt 3 || exit 7' INT; echo ready; while :; do sleep 0.1; done`;
  assert.equal(type(steps, script), 7, "the guest's own exit code: it was not ended");
});

test('twice: a guest that ignores it is ended, with all that it started', { skip }, () => {
  const once: Step = ['ready', 0, [CTRL_C]];
  const code = type([once, ['heard 1', 0, [CTRL_C]]], stubborn);
  assert.ok([130, 137].includes(code), `${code}`);
  assert.equal(isRunning(), false, 'nothing is left');
});

test('twice with one hand, before the guest hears of it', { skip }, () => {
  const code = type([['ready', 0, [CTRL_C, CTRL_C]]], stubborn);
  // Where they had to be typed once more, the last one may come when the guest has ended, and end us as it does any program.
  assert.ok([130, 137, -2].includes(code), `${code}`);
  assert.equal(isRunning(), false, 'nothing is left');
});

test('where its output goes to a pipe: once passed on, twice the end', { skip }, () => {
  // The whole pipeline is the terminal's foreground group, so what reads the pipe must not die of the key itself.
  const steps: Step[] = [
    ['ready', 0, [CTRL_C]],
    ['heard 1', 0.2, [CTRL_C]],
  ];
  type(steps, stubborn, `| (trap '' INT; exec cat)`);
  assert.equal(isRunning(), false, 'nothing is left');
});
