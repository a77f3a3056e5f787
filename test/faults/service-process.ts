/** `caisson serve` in a process of its own, on a state directory that outlives it, with a key that does as well. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigDocument } from '../../src/server/config/config.ts';
import { KeyRegistry } from '../../src/server/security/key-registry.ts';
import { SqliteServiceStore } from '../../src/store/sqlite-service-store.ts';

const CAISSON = join(import.meta.dirname, '../../bin/caisson');

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** One for the tenant acme, who may do everything of its own. */
export async function makeKey(state: string): Promise<string> {
  const store = SqliteServiceStore.open(SqliteServiceStore.fileIn(state));
  try {
    const keys = new KeyRegistry(store.keys);
    const grant = { tenant: 'acme', name: 'of a test', roles: ['admin'], scopes: [], by: 'test' };
    return (await keys.create(grant as never)).token;
  } finally {
    await store.close();
  }
}

export class ServiceProcess {
  readonly child: ChildProcess;
  readonly address: string;
  /** Settles with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  readonly #key: string;

  private constructor(child: ChildProcess, address: string, key: string) {
    this.child = child;
    this.address = address;
    this.#key = key;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? signal));
    });
  }

  static async start(
    state: string,
    key: string,
    more: ConfigDocument = {},
  ): Promise<ServiceProcess> {
    const file = join(state, 'config.json');
    writeFileSync(
      file,
      JSON.stringify({
        stateDirectory: state,
        tenants: { acme: {} },
        listen: { port: 0 },
        ...more,
      }),
      { mode: 0o600 },
    );
    const child = spawn(CAISSON, ['serve', '--config', file, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
    const first = Promise.race([
      once(child.stdout as NodeJS.EventEmitter, 'data'),
      once(child, 'exit').then(() => {
        throw new Error(`the service did not start: ${said}`);
      }),
    ]);
    const text = String((await first)[0]);
    const { address } = JSON.parse(text) as { address?: string };
    if (address === undefined) throw new Error(`the service did not start: ${text}`);
    return new ServiceProcess(child, address, key);
  }

  get pid(): number {
    return this.child.pid as number;
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const answer = await fetch(`${this.address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
  }

  async stop(): Promise<number | string | null> {
    this.child.kill('SIGTERM');
    return await this.ended;
  }
}
