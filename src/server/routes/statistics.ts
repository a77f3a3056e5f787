/** Figures of the caller’s tenant; of the whole for operators. */
import type { FastifyInstance } from 'fastify';
import { poolStatistics, threatStatistics } from '../../api/statistics.ts';
import { MS_PER_DAY } from '../../store/threat-store.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';

const DAYS = 30;

export function serveStatistics(app: FastifyInstance, service: Service): void {
  const { manager, security, threats } = service;

  implement(app, threatStatistics, ({ query, caller }) => {
    const { days = DAYS } = query;
    const since = Date.now() - (days - 1) * MS_PER_DAY;
    return { occurrences: threats.since(caller.tenant, since) };
  });

  implement(app, poolStatistics, ({ caller }) => {
    const { running, waiting, used, capacity, tenants } = manager.load();
    const own = tenants.find(({ tenant }) => tenant === caller.tenant);
    return {
      tenant: {
        running: own?.running ?? 0,
        waiting: own?.waiting ?? 0,
        used: finite(own?.used ?? {}),
        capacity: finite(security.quotas.poolOf(caller.tenant)),
      },
      quotas: { ...security.quotas.used(caller.tenant) },
      ...(caller.isOperator
        ? { total: { running, waiting, used: finite(used), capacity: finite(capacity) } }
        : {}),
    };
  });
}

/** JSON has no infinity. */
function finite(amounts: object): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, amount]) => [
      name,
      typeof amount === 'number' && Number.isFinite(amount) ? amount : null,
    ]),
  );
}
