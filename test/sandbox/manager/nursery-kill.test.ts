/** The launcher's helper processes are killed under load: no caller sees it, and nothing of them is left. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, policyFromDocument } from '../../../src/index.ts';
import { until } from '../../until.ts';
import { Footprint } from './footprint.ts';

const needs = { root: process.geteuid?.() === 0 ? false : 'needs root' } as const;
const state = mkdtempSync(join(tmpdir(), 'caisson-nursery-'));
after(() => rmSync(state, { recursive: true }));

const grouped = policyFromDocument({
  version: 1,
  name: 'grouped',
  level: 'strict',
  limits: { memory: '64MiB', timeout: '1m' },
});
const basic = policyFromDocument({ version: 1, name: 'basic', level: 'basic' });

interface Helper {
  readonly pid: number;
  readonly state: string;
}

/**
 * Children of a launcher that hold namespaces of the host: nurseries, whoever they are forked from, and inits being made.
 * None of them has, or ever will have, a guest; those that have ended are counted, too.
 */
function helpersOf(launcher: number): Helper[] {
  const text = read(`/proc/${launcher}/task/${launcher}/children`);
  return text.split(' ').flatMap((word): Helper[] => {
    const pid = Number(word);
    if (word.trim() === '' || !Number.isInteger(pid)) return [];
    const state = /^State:\s+(\S)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '';
    return state === 'Z' || holdsNamespaces(pid) ? [{ pid, state }] : [];
  });
}

function holdsNamespaces(pid: number): boolean {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).some((fd) =>
      readlinkSync(join(directory, fd)).startsWith('mnt:'),
    );
  } catch {
    return false;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Stopped first and looked at again: an init that was being made may have become a sandbox with a guest meanwhile. */
async function killHelper(pid: number): Promise<boolean> {
  signal(pid, 'SIGSTOP');
  for (let tries = 0; !/^State:\s+[TZX]/m.test(read(`/proc/${pid}/status`)) && tries < 50; tries++)
    await sleep(1);
  if (holdsNamespaces(pid)) return signal(pid, 'SIGKILL');
  signal(pid, 'SIGCONT');
  return false;
}

describe('helpers of the launcher are killed', { skip: needs.root }, () => {
  for (const [name, policy] of [
    ['with control groups', grouped],
    ['where guests see the host', basic],
  ] as const)
    test(`${name}: every run comes to its end, once`, async (t) => {
      const footprint = new Footprint();
      let kills = 0;
      {
        await using caisson = await Caisson.open({
          stateDirectory: mkdtempSync(join(state, 's-')),
        });
        await using manager = await caisson.manager({
          pool: { concurrency: 16, memoryBytes: null },
        });
        await manager.run(['true'], { policy });
        footprint.note();
        let isOver = false;
        const killing = (async () => {
          while (!isOver) {
            const alive = footprint
              .launchers()
              .flatMap(helpersOf)
              .filter((helper) => helper.state !== 'Z');
            const victim = alive[Math.floor(Math.random() * alive.length)];
            if (victim !== undefined && (await killHelper(victim.pid))) kills++;
            await sleep(10);
          }
        })();
        const outcomes = await Promise.allSettled(
          Array.from({ length: 300 }, (_, i) => manager.run(['echo', String(i)], { policy })),
        );
        const kept = await Promise.allSettled(
          Array.from({ length: 40 }, async (_, i) => {
            await using sandbox = await manager.create({ policy });
            return await sandbox.exec(['echo', String(i)]);
          }),
        );
        isOver = true;
        await killing;
        footprint.note();
        for (const all of [outcomes, kept]) {
          const failed = all.flatMap((each) => (each.status === 'rejected' ? each.reason : []));
          assert.deepEqual(failed.map(String), []);
          all.forEach((each, i) => {
            if (each.status === 'fulfilled') assert.equal(each.value.stdout.text, `${i}\n`);
          });
        }
        assert.ok(kills > 20, `${kills} were killed`);
        // What they had begun has been waited for: the launcher keeps no dead child.
        const dead = (): Helper[] =>
          footprint
            .launchers()
            .flatMap(helpersOf)
            .filter((helper) => helper.state === 'Z');
        await until('no dead child is left', () => dead().length === 0);
      }
      t.diagnostic(`${kills} helpers were killed`);
      await footprint.assertGone();
    });
});
