/** Security of a service on a store of its own, with clocks that a test sets. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigDocument, parseConfig } from '../../../src/server/config/config.ts';
import type { Knock } from '../../../src/server/http/gatekeeper.ts';
import { openSecurity, type Security } from '../../../src/server/security/security.ts';
import { ServiceClock } from '../../../src/server/security/service-clock.ts';
import { SqliteServiceStore } from '../../../src/store/sqlite-service-store.ts';

export interface SecurityPlace extends AsyncDisposable {
  readonly security: Security;
  readonly store: SqliteServiceStore;
  /** Milliseconds; set by the test. `wall` is Unix time. */
  readonly time: { wall: number; steady: number };
  readonly directory: string;
  /** A key of that role, made now. */
  key(role: string, tenant?: string): Promise<{ id: string; token: string }>;
}

export const START = Date.parse('2026-11-23T00:00:00Z');

export async function securityPlace(document: ConfigDocument = {}): Promise<SecurityPlace> {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-security-'));
  const time = { wall: START, steady: 1000 };
  const clock = new ServiceClock(
    () => time.wall,
    () => time.steady,
  );
  const store = SqliteServiceStore.open(SqliteServiceStore.fileIn(directory));
  const config = parseConfig({ tenants: { acme: {}, globex: {} }, ...document });
  const security = await openSecurity({
    config,
    store,
    clock,
    // What it costs is measured in bench; here it must only be right.
    hashing: { cost: 16, blockSize: 8, parallelization: 1 },
  });
  return {
    ...{ security, store, time, directory },
    key: async (role, tenant = 'acme') => {
      const wanted = { tenant, name: role, roles: [role], scopes: [], by: 'test' };
      const { key, token } = await security.keys.create(wanted);
      return { id: key.id, token };
    },
    [Symbol.asyncDispose]: async () => {
      await security.close();
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** A request as it comes over TCP. */
export function knock(
  authorization: string | readonly string[] | undefined,
  { address = '192.0.2.1', headers = {} }: Partial<Pick<Knock, 'address' | 'headers'>> = {},
): Knock {
  const values = authorization === undefined ? [] : [authorization].flat();
  return {
    headers,
    address,
    rawHeaders: ['Host', 'localhost', ...values.flatMap((value) => ['Authorization', value])],
  };
}

/** Whoever is let in; what refuses throws. */
export async function enter(security: Security, ...of: Parameters<typeof knock>) {
  return await security.gate.authenticate(knock(...of));
}
