/** Registered modules of the caller’s tenant. */
import type { FastifyInstance } from 'fastify';
import { evaluationToWire } from '../../api/evaluation.ts';
import {
  changeModule,
  executeModule,
  inspectModule,
  listModules,
  registerModule,
  removeModule,
  type WireRegistration,
} from '../../api/modules.ts';
import { valueFromWire } from '../../api/value.ts';
import { CaissonError } from '../../core/error.ts';
import type { ModuleExecuteOptions } from '../../modules/loaded-module.ts';
import type { ModuleRegistration } from '../../modules/module-schemas.ts';
import type { Registered } from '../../modules/modules.ts';
import { Reply } from '../http/answer.ts';
import { implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import type { Service } from '../service.ts';
import { execOf } from './commands.ts';

export function serveModules(app: FastifyInstance, service: Service): void {
  implement(app, registerModule, async ({ body, caller: { tenant }, signal }) => {
    const { registrations } = service.security.quotas;
    const registered = await registrations.during(tenant, signal, () =>
      registerFor(service, tenant, registrationOf(body)),
    );
    return new Reply(registered, { status: registered.added ? 201 : 200 });
  });

  implement(app, listModules, async ({ query, caller }) => {
    const { id, kind, enabled, limit, after } = query;
    const modules = await service.modulesOf(caller.tenant);
    const found = await modules.list({
      ...(id === undefined ? {} : { id }),
      ...(kind === undefined ? {} : { kind }),
      ...(enabled === undefined ? {} : { enabled: enabled === 'true' }),
    });
    return page(
      found,
      ({ id, version }) => `${id}@${version}`,
      { limit, after },
      (each) => each,
    );
  });

  implement(app, inspectModule, async ({ params, query, caller }) => {
    const modules = await service.modulesOf(caller.tenant);
    const { code, ...known } = await modules.inspect(params.reference, {
      code: query.code === 'true',
    });
    return {
      ...known,
      ...(code === undefined ? {} : { codeBase64: Buffer.from(code).toString('base64') }),
    };
  });

  implement(app, executeModule, async ({ params, body, caller, signal }) => {
    const modules = await service.modulesOf(caller.tenant);
    const { encoding = 'json', export: name } = body;
    const { input } = execOf(body);
    const args = argumentsOf(valueFromWire(body.args, encoding));
    const options: ModuleExecuteOptions = {
      signal,
      ...(args === undefined ? {} : { args }),
      ...(name === undefined ? {} : { export: name }),
      ...(input === undefined ? {} : { input }),
    };
    const { executions } = service.security.quotas;
    const execution = await executions.during(caller.tenant, signal, () =>
      modules.execute(params.reference, options),
    );
    return { ...evaluationToWire(execution, encoding), module: execution.module };
  });

  implement(app, changeModule, async ({ params, body, caller }) => {
    const modules = await service.modulesOf(caller.tenant);
    const { reference } = params;
    return body.enabled ? await modules.enable(reference) : await modules.disable(reference);
  });

  implement(app, removeModule, async ({ params, caller }) => {
    const modules = await service.modulesOf(caller.tenant);
    await modules.remove(params.reference);
    service.security.quotas.giveBack(caller.tenant, { modules: 1 });
    return undefined;
  });
}

/** What is there already takes no more of a quota. */
export async function registerFor(
  { modulesOf, security }: Service,
  tenant: string,
  registration: ModuleRegistration,
): Promise<Registered> {
  const modules = await modulesOf(tenant);
  const lease = security.quotas.reserve(tenant, { modules: 1 });
  try {
    const registered = await modules.register(registration);
    if (!registered.added) lease.release();
    return registered;
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** @throws REQUEST_INVALID */
export function argumentsOf(args: unknown): unknown[] | undefined {
  if (args === undefined || Array.isArray(args)) return args;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: 'args is no array',
    hint: 'write [ … ], with one item for each argument',
  });
}

function registrationOf({ certificate, ...body }: WireRegistration): ModuleRegistration {
  return {
    ...body,
    ...(certificate === undefined ? {} : { certificate: Buffer.from(certificate, 'base64') }),
  } as ModuleRegistration;
}
