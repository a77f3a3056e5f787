/** Policies that a tenant keeps by name, and what can be asked of any policy. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  comparePolicies,
  explainPolicy,
  listPolicies,
  policyVersions,
  readPolicy,
  removePolicy,
  storePolicy,
  validatePolicy,
} from '../../api/policies.ts';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import { diffPolicies } from '../../policy/compare.ts';
import { digestPolicy } from '../../policy/digest.ts';
import { documentOf } from '../../policy/to-document.ts';
import type { PolicyStore, StoredPolicy } from '../../store/policy-record.ts';
import { etagOf, Reply, render } from '../http/answer.ts';
import { implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import type { Service } from '../service.ts';

const PAGE = 100;

export function servePolicies(app: FastifyInstance, service: Service): void {
  const { places, caisson, security } = service;
  const { policies } = service.store;

  implement(app, listPolicies, async ({ query, caller }) => {
    const { limit = PAGE, after } = query;
    const found = await policies.list(caller.tenant, {
      limit: limit + 1,
      ...(after === undefined ? {} : { after }),
    });
    return page(found, ({ name }) => name, { limit }, toWire);
  });

  implement(app, readPolicy, async ({ params, query, caller }) =>
    toWire(await known(policies, caller.tenant, params.name, query.version)),
  );

  implement(app, policyVersions, async ({ params, query, caller }) => {
    const { limit = PAGE, before } = query;
    const { name } = params;
    await known(policies, caller.tenant, name);
    const found = await policies.versions(caller.tenant, name, {
      limit: limit + 1,
      ...(before === undefined ? {} : { before }),
    });
    return page(found, ({ version }) => String(version), { limit }, toWire);
  });

  implement(app, storePolicy, async ({ params, body, caller, request }) => {
    const { tenant, subject } = caller;
    const { name } = params;
    const policy = await places.policy(caller, { policy: body });
    const ifVersion = await expected(request, policies, tenant, name);
    const lease = security.quotas.reserve(tenant, { policies: 1 });
    const { result, stored } = await policies
      .add(
        {
          tenant,
          name,
          document: body as StoredPolicy['document'],
          digest: digestPolicy(policy),
          createdMs: Date.now(),
          createdBy: subject,
        },
        ifVersion === undefined ? {} : { ifVersion },
      )
      .catch((error: unknown) => {
        lease.release();
        throw error;
      });
    if (result !== 'added') lease.release();
    if (result === 'differs' || stored === undefined) throw changed(name);
    return new Reply(toWire(stored), { status: result === 'added' ? 201 : 200 });
  });

  implement(app, removePolicy, async ({ params, caller, request }) => {
    const { name } = params;
    const ifVersion = await expected(request, policies, caller.tenant, name);
    const before = await policies.count(caller.tenant);
    const result = await policies.remove(
      caller.tenant,
      name,
      typeof ifVersion === 'number' ? { ifVersion } : {},
    );
    if (result === 'absent') throw unknown(name);
    if (result === 'differs') throw changed(name);
    const gone = before - (await policies.count(caller.tenant));
    security.quotas.giveBack(caller.tenant, { policies: Math.max(0, gone) });
    return undefined;
  });

  implement(app, validatePolicy, async ({ body, caller }) => {
    try {
      const policy = await places.policy(caller, body);
      const { level } = policy;
      const document = { ...documentOf(policy) };
      const digest = digestPolicy(policy);
      return { valid: true, allowed: true, digest, level, document, problems: [] };
    } catch (error) {
      if (!isCaissonError(error)) throw error;
      if (error.code === 'POLICY_BEYOND_CEILING') {
        return { valid: true, allowed: false, problems: [], witness: error.message };
      }
      if (error.code !== 'POLICY_INVALID') throw error;
      const { problems = [{ path: '', message: error.message }] } = error.details as {
        problems?: { path: string; message: string; suggestion?: string }[];
      };
      return { valid: false, allowed: false, problems };
    }
  });

  implement(app, explainPolicy, async ({ body, caller }) => {
    const policy = await places.policy(caller, body);
    return { ...(await caisson.explain(policy)) };
  });

  implement(app, comparePolicies, async ({ body, caller }) => {
    const first = await places.policy(caller, { policy: body.first });
    const second = await places.policy(caller, { policy: body.second });
    const { onlyFirst, onlySecond, other } = diffPolicies(first, second, {
      first: typeof body.first === 'string' ? body.first : 'the first',
      second: typeof body.second === 'string' ? body.second : 'the second',
    });
    return { onlyFirst: [...onlyFirst], onlySecond: [...onlySecond], other: [...other] };
  });
}

function toWire({ tenant: _, document, ...policy }: StoredPolicy) {
  return { ...policy, document: document as Record<string, unknown> };
}

async function known(
  policies: PolicyStore,
  tenant: string,
  name: string,
  version?: number,
): Promise<StoredPolicy> {
  const stored = await policies.get(tenant, name, version);
  if (stored !== undefined) return stored;
  throw unknown(version === undefined ? name : `${name}@${version}`);
}

/**
 * The version that the request says is there; null: none.
 *
 * @throws PRECONDITION_FAILED
 */
async function expected(
  { headers }: FastifyRequest,
  policies: PolicyStore,
  tenant: string,
  name: string,
): Promise<number | null | undefined> {
  if (headers['if-none-match'] === '*') return null;
  const tag = headers['if-match'];
  if (tag === undefined || tag === '*') return undefined;
  const stored = await policies.get(tenant, name);
  if (stored === undefined || etagOf(render(toWire(stored))) !== tag) throw changed(name);
  return stored.version;
}

function unknown(name: string): CaissonError {
  return new CaissonError('POLICY_NOT_FOUND', {
    layer: 'server',
    message: `there is no policy ${name}`,
    hint: 'GET /api/policies lists those that are stored',
  });
}

function changed(name: string): CaissonError {
  return new CaissonError('PRECONDITION_FAILED', {
    layer: 'server',
    message: `the policy ${name} is not the one that the request says`,
    hint: 'read it again, and send its ETag as If-Match',
  });
}
