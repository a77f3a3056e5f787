/** API keys and tenants. */
import type { FastifyInstance } from 'fastify';
import {
  changeTenant,
  createKey,
  createTenant,
  inspectKey,
  inspectTenant,
  listKeys,
  listTenants,
  revokeKey,
  rotateKey,
} from '../../api/access.ts';
import { CaissonError } from '../../core/error.ts';
import { implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import { type Caller, requireOperator, tenantFor } from '../security/caller.ts';
import type { IssuedKey, KeyInfo } from '../security/key-registry.ts';
import { requireGrantable } from '../security/roles.ts';
import type { TenantInfo, TenantSettings } from '../security/tenants.ts';
import type { Service } from '../service.ts';
import { AccessRecords } from './access-records.ts';

export function serveAccess(app: FastifyInstance, service: Service): void {
  const { keys, tenants, quotas } = service.security;
  const records = new AccessRecords(service);

  /** Another tenant's key is not there, but for operators. */
  const keyFor = async (caller: Caller, id: string): Promise<KeyInfo> =>
    caller.isOperator ? await keys.find(id) : await keys.get(caller.tenant, id);

  implement(app, listKeys, async ({ query, caller }) => {
    const { limit = 100, after, tenant } = query;
    const asked = tenantFor(caller, tenant);
    const found = await keys.list({
      tenant: asked,
      limit: limit + 1,
      ...(after === undefined ? {} : { after }),
    });
    return page(found, ({ id }) => id, { limit }, keyToWire);
  });

  implement(app, createKey, async (asked) => {
    const { body, caller } = asked;
    const { name = '', roles = [], scopes = [], expiresMs } = body;
    const tenant = tenantFor(caller, body.tenant);
    requireGrantable(caller, { roles, scopes });
    await tenants.get(tenant);
    await records.ready();
    const most = tenants.settings(tenant).quotas?.keys;
    const issued = await keys.create({
      ...{ tenant, name, roles, scopes, by: caller.subject },
      ...(expiresMs === undefined ? {} : { expiresMs }),
      ...(most === undefined ? {} : { most }),
    });
    records.add(asked, 'key-created', issued.key.id, tenant);
    return issuedToWire(issued);
  });

  implement(app, inspectKey, async ({ params, caller }) =>
    keyToWire(await keyFor(caller, params.id)),
  );

  implement(app, rotateKey, async (asked) => {
    const { params, body, caller } = asked;
    const key = await keyFor(caller, params.id);
    // Whoever gets the new secret has what the key may.
    requireGrantable(caller, key);
    await records.ready();
    const { overlapMs } = body ?? {};
    const issued = await keys.rotate(
      key.tenant,
      key.id,
      overlapMs === undefined ? {} : { overlapMs },
    );
    records.add(asked, 'key-rotated', key.id, key.tenant);
    return issuedToWire(issued);
  });

  implement(app, revokeKey, async (asked) => {
    const { params, query, caller } = asked;
    const key = await keyFor(caller, params.id);
    if (key.roles.includes('operator')) requireOperator(caller);
    const { reason = '' } = query;
    const revoked = await keys.revoke(key.tenant, key.id, { by: caller.subject, reason });
    records.add(asked, 'key-revoked', key.id, key.tenant);
    return keyToWire(revoked);
  });

  implement(app, listTenants, async ({ query, caller }) => {
    const all = await tenants.list();
    const shown = caller.isOperator ? all : all.filter(({ id }) => id === caller.tenant);
    return page(shown, ({ id }) => id, query, tenantToWire);
  });

  implement(app, createTenant, async (asked) => {
    const { body, caller } = asked;
    requireOperator(caller);
    await records.ready();
    const { id, description = '' } = body;
    const made = await tenants.create({
      ...{ id, description, by: caller.subject },
      ...wireSettings(body.settings),
    });
    records.add(asked, 'tenant-created', id, id);
    return tenantToWire(made);
  });

  implement(app, inspectTenant, async ({ params, caller }) => {
    const id = tenantFor(caller, params.id);
    return { tenant: tenantToWire(await tenants.get(id)), used: quotas.used(id) };
  });

  implement(app, changeTenant, async (asked) => {
    const { params, body, caller } = asked;
    const id = tenantFor(caller, params.id);
    requireOperator(caller);
    const { description, disabled } = body;
    if (disabled !== true) await records.ready();
    const changed = await tenants.update(id, {
      by: caller.subject,
      ...(description === undefined ? {} : { description }),
      ...(disabled === undefined ? {} : { disabled }),
      ...wireSettings(body.settings),
    });
    records.add(asked, 'tenant-changed', id, id);
    return tenantToWire(changed);
  });
}

/** Files of the host are named in its configuration, never over the wire. */
function wireSettings(sent: Readonly<Record<string, unknown>> | undefined): {
  settings?: TenantSettings;
} {
  if (sent === undefined) return {};
  const settings = sent as TenantSettings;
  const { ceiling } = settings;
  if (typeof ceiling !== 'string' || !ceiling.includes('/')) return { settings };
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: 'a ceiling that is sent is no file of the host',
    hint: 'send service, a level, a profile, or the policy itself',
  });
}

/** Types of the wire cannot be changed, and are not. */
function keyToWire(key: KeyInfo) {
  return { ...key, roles: [...key.roles], scopes: [...key.scopes] };
}

function issuedToWire({ key, token }: IssuedKey) {
  return { key: keyToWire(key), token };
}

function tenantToWire(tenant: TenantInfo) {
  return { ...tenant, settings: { ...tenant.settings } };
}
