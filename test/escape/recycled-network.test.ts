/**
 * Emptied network namespaces that are used again: never the host's, and never one that is in use, by whatever tenant.
 * Many runs at once, since the namespace of a sandbox in the making is not yet its own.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson } from '../../src/index.ts';
import { link } from '../faults/kernel-state.ts';
import { served } from '../server/served.ts';
import { needs } from './harness.ts';

const RUNS = 200;
const AT_ONCE = 8;

/** Its namespace, how long it held it, and whether it was left as it must be: a loopback that is up, and nothing else. */
const LOOK = [
  'sh',
  '-c',
  'date +%s%N; readlink /proc/self/ns/net; cat /proc/net/dev | tail -n +3 | cut -d: -f1; date +%s%N',
];

interface Stay {
  readonly net: string;
  readonly from: bigint;
  readonly to: bigint;
}

async function stays(caisson: Caisson, tenant: string): Promise<Stay[]> {
  const place = { policy: 'strict', tenant, recycleNetwork: true } as const;
  await caisson.prepare({ ...place, slots: 12 });
  const found: Stay[] = [];
  let left = RUNS;
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      const { stdout, kind } = await caisson.run(LOOK, place);
      assert.equal(kind, 'exited');
      const [from = '', net = '', device = '', to = ''] = stdout.text
        .split('\n')
        .map((line) => line.trim());
      assert.equal(device, 'lo', stdout.text);
      found.push({ net, from: BigInt(from), to: BigInt(to) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return found;
}

test('a recycled network namespace is never the host’s, however fast they follow', {
  skip: needs.root,
}, async () => {
  await using caisson = await Caisson.open();
  const place = { policy: 'strict', tenant: 'quick', recycleNetwork: true } as const;
  await caisson.prepare({ ...place, slots: 12 });
  const seen: string[] = [];
  let left = RUNS;
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      const { stdout } = await caisson.run(['readlink', '/proc/self/ns/net'], place);
      seen.push(stdout.text.trim());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  const host = readlinkSync('/proc/self/ns/net');
  assert.equal(seen.filter((net) => net === host).length, 0, 'guests in the network of the host');
  assert.equal(seen.length, RUNS);
  assert.ok(new Set(seen).size < RUNS / 2, 'nothing was recycled: this test shows nothing');
});

test('no two hold one, by whatever tenant', {
  skip: needs.root,
}, async () => {
  await using caisson = await Caisson.open();
  const [one, other] = await Promise.all([stays(caisson, 'one'), stays(caisson, 'other')]);
  const host = readlinkSync('/proc/self/ns/net');
  const all = [...one, ...other];
  assert.equal(all.length, 2 * RUNS);
  assert.deepEqual(
    all.filter(({ net }) => net === host),
    [],
    'a guest stood in the network of the host',
  );
  const names = new Set(one.map(({ net }) => net));
  assert.ok(names.size < RUNS, 'nothing was recycled: this test shows nothing');
  const byNet = Map.groupBy(all, ({ net }) => net);
  for (const list of byNet.values()) {
    list.sort((a, b) => (a.from < b.from ? -1 : 1));
    for (const [i, stay] of list.entries()) {
      const next = list[i + 1];
      assert.ok(next === undefined || next.from >= stay.to, `${stay.net} was held by two at once`);
    }
  }
});

/** Network namespaces that launchers of this process keep open, once nothing comes or goes. */
async function keptNets(): Promise<number> {
  let kept = -1;
  for (let same = 0; same < 20; ) {
    await sleep(20);
    const now = openNets();
    same = now === kept ? same + 1 : 0;
    kept = now;
  }
  return kept;
}

function openNets(): number {
  const own = spawnSync('pgrep', ['-P', String(process.pid), 'caisson'], { encoding: 'utf8' });
  const pids = own.stdout.split('\n').filter((pid) => pid !== '');
  assert.ok(pids.length > 0, 'no launcher');
  const nets = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`)),
  );
  return new Set(nets.filter((name) => name.startsWith('net:['))).size;
}

test('a service keeps one for each tenant where its operator wants it, else none', {
  skip: needs.root,
}, async () => {
  const kept: number[][] = [];
  for (const recycleNetwork of [false, true]) {
    await using service = await served({ manager: { recycleNetwork } });
    const nets = [];
    for (const tenant of ['acme', 'globex']) {
      const key = await service.key('developer', tenant);
      for (let i = 0; i < 5; i++) {
        const body = { argv: ['cat', '/proc/net/dev'] };
        const { status, text } = await service.ask('POST', '/api/runs', { key, body });
        assert.equal(status, 200, text);
      }
      nets.push(await keptNets());
    }
    kept.push(nets);
  }
  const [[own = 0, still = 0] = [], [one = 0, both = 0] = []] = kept;
  assert.equal(still, own, 'something is kept that nobody asked for');
  assert.ok(one > own && both > one, `what a tenant left was given to another: ${kept}`);
  assert.ok(both - own < 10, 'nothing was recycled: this test shows nothing');
});
