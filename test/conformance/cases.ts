/** What every wall does alike. Each case is written once. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Caisson,
  digestPolicy,
  type HostFacts,
  isCaissonError,
  type Outcome,
  type PolicyDocument,
  policyFromDocument,
} from '../../src/index.ts';
import type { Deed, Wall } from './walls.ts';

/**
 * `core`: no wall may skip it. `isolation`: no wall may that is there for untrusted code; level `basic`, which is not, may.
 */
export type Kind = 'core' | 'isolation' | 'other';

export interface Case {
  readonly kind: Kind;
  run(place: Place): Promise<void>;
}

/** A Caisson and a wall. */
export interface Place {
  readonly caisson: Caisson;
  readonly wall: Wall;
  /** One deed, under limits. */
  does(deed: Deed, limits?: PolicyDocument['limits']): Promise<Outcome>;
  readonly events: readonly Event[];
  /** Another one, on a host of which that is known. */
  readonly openElsewhere: (facts: HostFacts) => Promise<Opened>;
}

export interface Opened extends AsyncDisposable {
  readonly caisson: Caisson;
}

export interface Event {
  readonly kind: string;
  readonly id: string;
  /** Of `created`. */
  readonly wall?: string;
}

export const SECRET = { name: 'CAISSON_TEST_TOKEN', value: 'tk-e6a0c1f7' };

export function policyOf(wall: Wall, limits: PolicyDocument['limits'] = {}): PolicyDocument {
  return { version: 1, level: wall.level, limits } as PolicyDocument;
}

export const cases: Readonly<Record<string, Case>> = {
  'what comes to its end has exit code 0': {
    kind: 'core',
    run: async ({ does }) => {
      const { kind, code, limitsHit, violations } = await does({ does: 'nothing' });
      assert.deepEqual([kind, code, limitsHit, violations], ['exited', 0, [], []]);
    },
  },
  'what fails has another exit code': {
    kind: 'core',
    run: async ({ does }) => {
      const { kind, code } = await does({ does: 'fail' });
      assert.equal(kind, 'exited');
      assert.ok(code !== undefined && code > 0 && code < 256, String(code));
    },
  },
  'time by the clock is an outcome': {
    kind: 'core',
    run: async ({ does }) => {
      const { kind, clock, limitsHit } = await does(
        { does: 'compute for ever' },
        { timeout: '400ms' },
      );
      assert.deepEqual([kind, clock, limitsHit], ['timed-out', 'wall', ['wall-time']]);
    },
  },
  'time of the processor is an outcome': {
    kind: 'core',
    run: async ({ does }) => {
      const limits = { cpuTime: '300ms', timeout: '60s' } as const;
      const { kind, clock, limitsHit } = await does({ does: 'compute for ever' }, limits);
      assert.deepEqual([kind, clock, limitsHit], ['timed-out', 'cpu', ['cpu-time']]);
    },
  },
  'memory is an outcome': {
    kind: 'other',
    run: async ({ does }) => {
      const { kind, limitsHit } = await does({ does: 'take memory for ever' }, { memory: '48MiB' });
      assert.deepEqual([kind, limitsHit], ['out-of-memory', ['memory']]);
    },
  },
  'memory beyond the limit is not had': {
    kind: 'core',
    run: async ({ does }) => {
      const { kind, code, usage } = await does(
        { does: 'take memory for ever' },
        { memory: '48MiB' },
      );
      assert.ok(kind === 'out-of-memory' || (kind === 'exited' && code !== 0), `${kind} ${code}`);
      assert.ok(usage.memoryPeakBytes <= 64 * 2 ** 20, String(usage.memoryPeakBytes));
    },
  },
  'output is captured, each stream by itself': {
    kind: 'core',
    run: async ({ does }) => {
      const { stdout, stderr, code } = await does({ does: 'say', out: 'one\n', err: 'two\n' });
      assert.deepEqual([code, stdout.text, stderr.text], [0, 'one\n', 'two\n']);
      assert.deepEqual([stdout.truncated, stdout.totalBytes], [false, 4]);
    },
  },
  'output is cut at its limit, and the guest goes on': {
    kind: 'core',
    run: async ({ does }) => {
      const { kind, code, stdout, limitsHit } = await does(
        { does: 'flood', bytes: 600_000 },
        { output: '64KiB' },
      );
      assert.deepEqual([kind, code, stdout.truncated], ['exited', 0, true]);
      assert.equal(stdout.totalBytes, 600_000);
      assert.ok(stdout.bytes.length <= 64 * 1024, String(stdout.bytes.length));
      assert.deepEqual(limitsHit, ['output']);
    },
  },
  'there is no network': {
    kind: 'isolation',
    run: async ({ does }) => {
      let connections = 0;
      const server = createServer((socket) => {
        connections++;
        socket.destroy();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const { code } = await does({ does: 'connect', port });
      server.close();
      assert.notEqual(code, 0);
      assert.equal(connections, 0);
    },
  },
  'a file of the host is not read': {
    kind: 'isolation',
    run: async ({ does }) => {
      await withFile(async (path) => {
        const { code, stdout, stderr } = await does({ does: 'read', path });
        assert.notEqual(code, 0);
        assert.ok(!`${stdout.text}${stderr.text}`.includes(SECRET.value));
      });
    },
  },
  'a file of the host is not written': {
    kind: 'isolation',
    run: async ({ does }) => {
      await withFile(async (path) => {
        const { code } = await does({ does: 'write', path });
        assert.notEqual(code, 0);
        assert.equal(readFileSync(path, 'utf8'), SECRET.value);
      });
    },
  },
  'the environment of the caller is not there': {
    kind: 'isolation',
    run: async ({ does }) => {
      const { code, stdout } = await does({ does: 'tell environment' });
      assert.equal(code, 0);
      assert.ok(!stdout.text.includes(SECRET.value), stdout.text);
      assert.ok(!stdout.text.includes(SECRET.name), stdout.text);
    },
  },
  'its caller ends it by a signal': {
    kind: 'core',
    run: async ({ caisson, wall, does }) => {
      const abort = new AbortController();
      const policy = policyOf(wall, { timeout: '60s', cpuTime: '60s' });
      const pending = wall.run(
        caisson,
        { does: 'compute for ever' },
        { policy, signal: abort.signal },
      );
      setTimeout(() => abort.abort(), 300);
      await assert.rejects(pending, (error) => isCaissonError(error) && error.code === 'ABORTED');
      assert.equal((await does({ does: 'nothing' })).code, 0);
      const already = { policy, signal: AbortSignal.abort() };
      await assert.rejects(
        wall.run(caisson, { does: 'nothing' }, already),
        (error) => isCaissonError(error) && error.code === 'ABORTED',
      );
    },
  },
  'the next one is not affected': {
    kind: 'core',
    run: async ({ does }) => {
      const limits = { timeout: '400ms', memory: '48MiB', output: '64KiB' } as const;
      const deeds: readonly Deed[] = [
        { does: 'compute for ever' },
        { does: 'take memory for ever' },
        { does: 'flood', bytes: 600_000 },
        { does: 'fail' },
      ];
      for (const deed of deeds) {
        await does(deed, limits);
        const { kind, code, stdout, limitsHit } = await does(
          { does: 'say', out: 'still\n', err: '\n' },
          { memory: '48MiB', output: '64KiB' },
        );
        assert.deepEqual([kind, code, stdout.text, limitsHit], ['exited', 0, 'still\n', []]);
      }
    },
  },
  'the record of it is in order, and under its id': {
    kind: 'core',
    run: async ({ does, events, wall }) => {
      const { auditId } = await does({ does: 'compute for ever' }, { timeout: '400ms' });
      const created = events.find(({ id, kind }) => id === auditId && kind === 'created');
      assert.equal(created?.wall, wall.name);
      const own = events.filter(({ id }) => id === auditId).map(({ kind }) => kind);
      const order = ['created', 'started', 'limit', 'ended'];
      assert.deepEqual(
        own.filter((kind) => order.includes(kind)),
        order,
      );
    },
  },
  'the outcome names policy and wall': {
    kind: 'core',
    run: async ({ wall, does }) => {
      const outcome = await does({ does: 'nothing' });
      const digest = digestPolicy(policyFromDocument(policyOf(wall)));
      assert.deepEqual([outcome.policyDigest, outcome.wall], [digest, wall.name]);
      assert.ok(outcome.wallReason.length > 0);
      assert.deepEqual(outcome.accepted, []);
    },
  },
  'what cannot be enforced is refused, or accepted and shown': {
    kind: 'isolation',
    run: async ({ openElsewhere, wall }) => {
      await using caisson = await Caisson.open();
      const facts = await caisson.facts();
      const cgroup = { ...facts.cgroup, cpu: false };
      await using opened = await openElsewhere({ ...facts, cgroup } as never);
      const poor = opened.caisson;
      const policy = policyOf(wall, { cpu: 1 });
      const refusal = await wall.run(poor, { does: 'nothing' }, { policy }).then(
        () => assert.fail('it ran'),
        (error: unknown) => error,
      );
      assert.ok(isCaissonError(refusal) && refusal.code === 'UNENFORCEABLE', String(refusal));
      const { accept } = refusal.details as { accept: string[] };
      assert.ok(accept.length > 0);
      const { code, accepted } = await wall.run(poor, { does: 'nothing' }, { policy, accept });
      assert.equal(code, 0);
      assert.deepEqual([...accepted].sort(), [...accept].sort());
    },
  },
  'no two have the same id': {
    kind: 'core',
    run: async ({ does }) => {
      const all = await Promise.all(Array.from({ length: 8 }, () => does({ does: 'nothing' })));
      assert.equal(new Set(all.map(({ auditId }) => auditId)).size, 8);
    },
  },
};

async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-conformance-'));
  const path = join(directory, 'secret.json');
  writeFileSync(path, SECRET.value, { mode: 0o666 });
  try {
    await run(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
