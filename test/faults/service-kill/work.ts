/** What clients of the service do, one kind after the other. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tenant, ToldKey } from './ledger.ts';
import type { Load } from './load.ts';
import { guestOverWebSocket } from './web-socket-guest.ts';

const limits = { memory: '128MiB' } as const;
export const DIRECT = {
  version: 1,
  level: 'moderate',
  filesystem: { workspace: 'direct', write: ['.'] },
  limits,
} as const;
const OVERLAY = {
  version: 1,
  level: 'strict',
  filesystem: { workspace: 'overlay', write: ['.'] },
  limits,
} as const;
const FILTERED = { ...OVERLAY, network: { mode: 'filtered', allow: ['one.test'] } } as const;
/** Of 20 it makes 20 and what its version adds. */
const moduleCode = (adds: number): string => `export default (a) => a + ${adds}`;
const TREE = execFileSync('tar', ['-C', import.meta.dirname, '-c', '.']);
/** It has no overlay, or is paused already, or not any more. */
const NOT_NOW = ['REQUEST_INVALID'];
/** So many stay open for each client, about. */
const MOST_OPEN = 14;

type Work = (load: Load) => Promise<void>;

export const WORK: Readonly<Record<string, Work>> = {
  create: async (load) => {
    if (load.open.size >= MOST_OPEN) return WORK.kill?.(load);
    const tenant = load.tenant();
    const policy = load.random.pick([DIRECT, OVERLAY, OVERLAY, FILTERED]);
    const body = { policy, workspace: 'private', labels: { name: load.name() } };
    if (load.random.chance(0.3)) return await once(load, tenant, '/api/sandboxes', body);
    load.noteSandbox(await load.ask(tenant, 'POST', '/api/sandboxes', { body }), tenant);
  },
  kill: async (load) => {
    const [id, tenant] = load.sandbox() ?? [];
    if (id === undefined || tenant === undefined) return;
    load.release(id);
    await load.ask(tenant, 'DELETE', `/api/sandboxes/${id}`);
  },
  exec: (load) =>
    inSandbox(load, async (id, tenant) => {
      const body = {
        argv: ['sh', '-c', `echo ${load.name()} >> log; sleep 0.0${load.random.between(1, 9)}`],
      };
      const path = `/api/sandboxes/${id}/exec`;
      if (load.random.chance(0.2)) return await once(load, tenant, path, body);
      const leaving = load.random.chance(0.1) ? { leaveAfterMs: load.random.between(1, 60) } : {};
      load.noteOutcome(await load.ask(tenant, 'POST', path, { body, ...leaving }));
    }),
  run: async (load) => {
    const tenant = load.tenant();
    const argv = ['sh', '-c', 'echo on; sleep 0.05'];
    const body = { argv, policy: DIRECT, workspace: 'private' };
    load.noteOutcome(await load.ask(tenant, 'POST', '/api/runs', { body }));
  },
  'run once': async (load) => {
    const mark = `mark-${load.name()}`;
    const pause = `sleep 0.${load.random.between(1, 40)}`;
    const argv = ['sh', '-c', `echo ${mark} >> ${mark}; ${pause}`];
    const body = { argv, policy: DIRECT, workspace: 'marks' };
    await once(load, load.tenant(), '/api/runs', body, mark);
  },
  stream: async (load) => {
    const tenant = load.tenant();
    const [id] = load.random.chance(0.5) ? (load.sandbox() ?? []) : [];
    const path = id === undefined ? '/api/runs/stream' : `/api/sandboxes/${id}/stream`;
    const place = id === undefined ? { policy: OVERLAY, workspace: 'private' } : {};
    const owner = id === undefined ? tenant : (load.open.get(id) ?? tenant);
    const body = { argv: ['sh', '-c', 'seq 500; sleep 0.1; seq 500'], ...place };
    const answer = await load.ask(owner, 'POST', path, { body });
    if (answer === undefined || answer.status !== 200) return;
    const problem = /event: problem\ndata: (.*)/.exec(answer.text)?.[1];
    const outcome = /event: outcome\ndata: (.*)/.exec(answer.text)?.[1];
    if (problem !== undefined) {
      const { code } = JSON.parse(problem) as { code: string };
      if (!load.explains(code)) load.ledger.blame(`stream: ${problem}`);
    } else if (outcome === undefined && !load.isEnding) {
      load.ledger.blame(`stream: it ended without an outcome: ${answer.text.slice(-300)}`);
    }
    if (outcome !== undefined) {
      const { auditId } = JSON.parse(outcome) as { auditId: string };
      load.ledger.record('ended', auditId);
    }
  },
  spawn: (load) => inSandbox(load, (id, tenant) => guestOverWebSocket(load, id, tenant)),
  files: (load) =>
    inSandbox(load, async (id, tenant) => {
      const path = `/api/sandboxes/${id}/files?path=f${load.random.between(0, 3)}`;
      const bytes = Buffer.alloc(load.random.between(1, 200_000), 'x');
      const headers = { 'content-type': 'application/octet-stream' };
      const allowed = ['FILE_FAILED'];
      await load.ask(tenant, 'PUT', path, { bytes, headers, allowed });
      await load.ask(tenant, 'GET', path, { allowed });
    }),
  tree: (load) =>
    inSandbox(load, async (id, tenant) => {
      const path = `/api/sandboxes/${id}/tree?path=src`;
      await load.ask(tenant, 'PUT', path, { bytes: TREE, allowed: ['FILE_FAILED'] });
      await load.ask(tenant, 'GET', path, { allowed: ['FILE_FAILED'] });
    }),
  pause: (load) =>
    inSandbox(load, async (id, tenant) => {
      await load.ask(tenant, 'POST', `/api/sandboxes/${id}/pause`, { allowed: NOT_NOW });
      await sleep(load.random.between(1, 200));
      await load.ask(tenant, 'POST', `/api/sandboxes/${id}/resume`, { allowed: NOT_NOW });
    }),
  fork: (load) =>
    inSandbox(load, async (id, tenant) => {
      if (load.open.size >= MOST_OPEN) return;
      const path = `/api/sandboxes/${id}/fork`;
      const allowed = NOT_NOW;
      load.noteSandbox(await load.ask(tenant, 'POST', path, { allowed }), tenant);
    }),
  snapshot: (load) =>
    inSandbox(load, async (id, tenant) => {
      const allowed = NOT_NOW;
      const taken = await load.ask(tenant, 'POST', `/api/sandboxes/${id}/snapshots`, { allowed });
      if (taken?.status === 201) load.snapshots.set(taken.body.id as string, tenant);
      const [snapshot, owner] = load.random.pickIfAny([...load.snapshots]) ?? [];
      if (snapshot === undefined || owner === undefined) return;
      if (load.random.chance(0.5) || load.open.size >= MOST_OPEN) {
        load.snapshots.delete(snapshot);
        await load.ask(owner, 'DELETE', `/api/snapshots/${snapshot}`);
        return;
      }
      load.noteSandbox(await load.ask(owner, 'POST', `/api/snapshots/${snapshot}/open`), owner);
    }),
  evaluate: async (load) => {
    const body = {
      language: 'javascript',
      source: 'export default (a) => a * 2',
      args: [21],
    };
    const answer = await load.ask(load.tenant(), 'POST', '/api/evaluations', { body });
    if (answer?.status === 200 && answer.body.kind === 'exited' && answer.body.value !== 42)
      load.ledger.blame(`evaluate: ${answer.text.slice(0, 300)}`);
    load.noteOutcome(answer);
  },
  register: async (load) => {
    const tenant = load.tenant();
    const adds = load.random.between(1, 1_000_000);
    const body = { id: `m${load.name()}`, code: moduleCode(adds) };
    const answer = await load.ask(tenant, 'POST', '/api/effects/register', { body });
    if (answer?.status !== 201) return;
    const { id, version, digest } = answer.body as Record<'id' | 'version' | 'digest', string>;
    load.ledger.modules.push({ tenant, id, version, digest, returns: 20 + adds });
    load.ledger.record('module', id);
  },
  execute: async (load) => {
    const module = load.random.pickIfAny(load.ledger.modules.slice(-20));
    if (module === undefined) return;
    const { tenant, id, version, returns } = module;
    const body = { id: `${id}@${version}`, input: 20 };
    const answer = await load.ask(tenant, 'POST', '/api/effects/execute', { body });
    if (answer?.status !== 200) return;
    if (answer.body.ok === true && answer.body.result !== returns)
      load.ledger.blame(`execute: ${returns} expected: ${answer.text.slice(0, 300)}`);
    if (answer.body.ok === true) load.noteOutcome(answer);
  },
  policy: async (load) => {
    const tenant = load.tenant();
    const name = `p${load.random.between(0, 5)}`;
    const body = { version: 1, level: 'strict', name: load.name(), limits };
    const answer = await load.ask(tenant, 'PUT', `/api/policies/${name}`, { body });
    if (answer?.status !== 201) return;
    const { version, digest } = answer.body as { version: number; digest: string };
    load.ledger.policies.push({ tenant, name, version, digest });
  },
  keys: async (load) => {
    const tenant = load.tenant();
    const key = load.random.pickIfAny(load.ledger.keys.filter(({ state }) => state === 'valid'));
    if (key === undefined || load.random.chance(0.3)) await makeKey(load, tenant);
    else if (load.random.chance(0.5)) await rotate(load, key);
    else await revoke(load, key);
  },
  audit: async (load) => {
    const event = load.random.pick(['ended', 'created,destroyed', 'access', 'violation']);
    const path = `/api/audit?limit=20&event=${event}&sinceMs=${Date.now() - 5000}`;
    await load.ask(load.tenant(), 'GET', path);
  },
  list: async (load) => {
    await load.ask(load.tenant(), 'GET', '/api/sandboxes?limit=50');
  },
};

async function inSandbox(
  load: Load,
  use: (id: string, tenant: Tenant) => Promise<void>,
): Promise<void> {
  const [id, tenant] = load.sandbox() ?? [];
  if (id === undefined || tenant === undefined) return await WORK.create?.(load);
  await use(id, tenant);
}

/** With an idempotency key, to be sent again after the next kill. */
async function once(
  load: Load,
  tenant: Tenant,
  path: string,
  body: Readonly<Record<string, unknown>>,
  mark?: string,
): Promise<void> {
  const key = `once-${load.name()}`;
  const told = { tenant, key, path, body, mark, answer: undefined as never };
  load.ledger.onces.push(told);
  const headers = { 'idempotency-key': key };
  const leaving = load.random.chance(0.1) ? { leaveAfterMs: load.random.between(1, 100) } : {};
  const answer = await load.ask(tenant, 'POST', path, { body, headers, ...leaving });
  if (answer === undefined) return;
  Object.assign(told, { answer: { status: answer.status, text: answer.text.trim() } });
  load.noteOutcome(answer);
  load.noteSandbox(answer, tenant);
}

async function makeKey(load: Load, tenant: Tenant): Promise<void> {
  const body = { name: load.name(), roles: ['viewer'] };
  const answer = await load.ask(tenant, 'POST', '/api/access/keys', { body });
  if (answer?.status !== 201) return;
  const { key, token } = answer.body as { key: { id: string }; token: string };
  load.ledger.keys.push({ tenant, id: key.id, state: 'valid', token, old: [] });
  load.ledger.record('access', key.id);
}

async function rotate(load: Load, key: ToldKey): Promise<void> {
  const before = key.token;
  // Until it is answered, both may hold.
  key.state = 'unknown';
  const path = `/api/access/keys/${key.id}/rotate`;
  const answer = await load.ask(key.tenant, 'POST', path, { body: { overlapMs: 0 } });
  if (answer?.status !== 200) return;
  key.token = answer.body.token as string;
  key.old.push(before);
  key.state = 'valid';
  load.ledger.record('access', key.id);
}

async function revoke(load: Load, key: ToldKey): Promise<void> {
  key.state = 'unknown';
  const answer = await load.ask(key.tenant, 'DELETE', `/api/access/keys/${key.id}`);
  if (answer?.status === 200) key.state = 'revoked';
}
