/** `caisson serve` on a unix socket, one start after the other on one state directory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyRegistry } from '../../../src/server/security/key-registry.ts';
import { SqliteServiceStore } from '../../../src/store/sqlite-service-store.ts';
import { childrenOf, link } from '../kernel-state.ts';
import { TENANTS, type Tenant } from './ledger.ts';

const CAISSON = join(import.meta.dirname, '../../../bin/caisson');
const START_MS = 60_000;

export interface Places {
  readonly state: string;
  readonly marks: string;
  readonly socketPath: string;
}

/** One for each tenant, that stays. */
export async function makeKeys(state: string): Promise<Record<Tenant, string>> {
  const store = SqliteServiceStore.open(SqliteServiceStore.fileIn(state));
  try {
    const registry = new KeyRegistry(store.keys);
    const keys: Partial<Record<Tenant, string>> = {};
    for (const tenant of TENANTS) {
      const grant = { tenant, name: 'of the soak', roles: ['admin'] as const, scopes: [] };
      keys[tenant] = (await registry.create({ ...grant, by: 'soak' })).token;
    }
    return keys as Record<Tenant, string>;
  } finally {
    await store.close();
  }
}

export class KillableService {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string | null>;
  /** What it wrote to stderr. */
  said = '';
  readonly #answers: Promise<boolean>;

  constructor({ state, marks, socketPath }: Places) {
    const file = join(state, 'config.json');
    const tenants = Object.fromEntries(TENANTS.map((name) => [name, { workspaces: ['marks'] }]));
    const document = {
      stateDirectory: state,
      tenants,
      listen: { socketPath },
      workspaces: { marks },
      manager: { pool: { concurrency: 64, memoryBytes: null }, warmSlots: 2 },
      drainTimeoutMs: '2s',
    };
    writeFileSync(file, JSON.stringify(document), { mode: 0o600 });
    this.child = spawn(CAISSON, ['serve', '--config', file, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = once(this.child, 'exit').then(([code, signal]) => code ?? signal);
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.said += String(chunk);
    });
    this.#answers = once(this.child.stdout as NodeJS.EventEmitter, 'data').then(
      // Also why it does not come up is told there.
      ([said]) => 'address' in JSON.parse(String(said)),
    );
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** @returns whether it came up @throws where it neither does nor ends */
  async isUp(): Promise<boolean> {
    return await Promise.race([
      this.#answers,
      this.ended.then(() => false),
      sleep(START_MS, undefined, { ref: false }).then(() => {
        throw new Error(`the service does not come up: ${this.said}`);
      }),
    ]);
  }

  /** Its launchers, and its helpers that are Node: told apart by what they are to it, nothing goes by a name. */
  helpers(kind: 'launcher' | 'proxy'): number[] {
    const isNode = (pid: number): boolean => link(`/proc/${pid}/exe`) === process.execPath;
    return childrenOf(this.pid).filter((pid) => isNode(pid) === (kind === 'proxy'));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}
