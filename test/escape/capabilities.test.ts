/** CVE-2022-27650, CVE-2022-29162: a capability left in one of the five sets, or securebits that can be set back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { CapabilityPlan } from '../../src/plan/plan.ts';
import {
  allCapabilities,
  firstOutput,
  type Mechanism,
  needs,
  Range,
  Wall,
  without,
} from './harness.ts';

/** Makes the read-only directory of the host writable again, and writes. */
const remount = `
int main(int argc, char **argv) {
  char file[4096];
  mount(NULL, argv[1], NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL);
  snprintf(file, sizeof file, "%s/victim", argv[1]);
  int fd = open(file, O_WRONLY | O_TRUNC);
  if (fd >= 0) write(fd, "overwritten", 11);
  return 0;
}`;

test('making a read-only directory of the host writable', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const host = range.directory('host');
  const attack = range.program('remount', remount);
  const made = wall.prepare({
    policy: { filesystem: { read: [host, join(range.path, 'bin')] } },
    argv: [attack, host],
  });
  const after = async (...out: Mechanism[]): Promise<string> => {
    range.file('host/victim', 'untouched');
    await wall.run(without(made, ...out));
    return readFileSync(join(host, 'victim'), 'utf8');
  };
  const layers: readonly Mechanism[] = ['seccomp', 'landlock', 'no capabilities'];
  assert.equal(await after(...layers), 'overwritten');
  for (const kept of layers) {
    assert.equal(await after(...layers.filter((layer) => layer !== kept)), 'untouched', kept);
  }
  assert.equal(await after(), 'untouched');
});

const sets = {
  inheritable: 'CapInh',
  permitted: 'CapPrm',
  effective: 'CapEff',
  bounding: 'CapBnd',
  ambient: 'CapAmb',
} as const;

/** What the kernel says of the guest, from outside. */
async function statusOf(
  wall: Wall,
  capabilities?: CapabilityPlan,
): Promise<Record<string, string>> {
  const made = wall.prepare({
    argv: ['/bin/sh', '-c', 'echo; exec sleep 60'],
    job: { stdout: 'stream' },
  });
  const kind = capabilities === undefined ? made.kind : { ...made.kind, capabilities };
  const execution = wall.client.spawn(wall.client.preparePlan(encodePlan(kind)), made.job);
  await firstOutput(execution);
  const init = await execution.started;
  const [child] = readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').split(' ');
  const lines = readFileSync(`/proc/${child}/status`, 'utf8').split('\n');
  execution.kill();
  await execution.result;
  return Object.fromEntries(lines.map((line) => line.split(':\t') as [string, string]));
}

test('the five sets of a running guest, seen from the host', async () => {
  await using wall = await Wall.open();
  const nothing = { ...allCapabilities };
  for (const set of Object.keys(sets) as (keyof typeof sets)[]) nothing[set] = 0n;
  const CHOWN = 1n;
  // Left out of one set after the other, what a set is for shows.
  const left: Readonly<Record<keyof typeof sets, Partial<CapabilityPlan>>> = {
    bounding: { bounding: CHOWN },
    inheritable: { bounding: CHOWN, inheritable: CHOWN },
    // Through execve only what is ambient lasts, for a guest that is not root.
    permitted: { bounding: CHOWN, inheritable: CHOWN, permitted: CHOWN, ambient: CHOWN },
    effective: { bounding: CHOWN, inheritable: CHOWN, permitted: CHOWN, ambient: CHOWN },
    ambient: { bounding: CHOWN, inheritable: CHOWN, permitted: CHOWN, ambient: CHOWN },
  };
  for (const [set, field] of Object.entries(sets) as [keyof typeof sets, string][]) {
    const status = await statusOf(wall, { ...nothing, ...left[set] });
    assert.equal(Number(status[field]), 1, `${set} can be left behind`);
  }
  const status = await statusOf(wall);
  for (const field of Object.values(sets)) assert.equal(status[field], '0'.repeat(16), field);
  assert.equal(status.NoNewPrivs, '1');
  assert.equal(status.Seccomp, '2');
});

/** Takes back every securebit that it can, then asks for a capability by way of keep-caps. */
const bits = `
int main(void) {
  prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
  printf("%d", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  return 0;
}`;

test('securebits are locked even for who may set them', { skip: needs.gcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const attack = range.program('bits', bits);
  const made = wall.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [attack] });
  const { securebits } = made.kind.capabilities;
  const SETPCAP = 1n << 8n;
  const able = {
    bounding: SETPCAP,
    permitted: SETPCAP,
    effective: SETPCAP,
    inheritable: SETPCAP,
    ambient: SETPCAP,
  };
  const left = async (set: number): Promise<number> => {
    const kind = { ...without(made, 'seccomp').kind, capabilities: { ...able, securebits: set } };
    return Number((await wall.run({ kind, job: made.job })).stdout);
  };
  const locks = 0b10101010;
  // The same bits without their locks: gone. With them: as the plan says.
  assert.equal(await left(securebits & ~locks), 0);
  assert.equal(await left(securebits), securebits);
});
