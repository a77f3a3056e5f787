/** The two calls of plugin hosts. */
import type { FastifyInstance } from 'fastify';
import { executeEffect, registerEffect } from '../../api/effects.ts';
import { valueToWire } from '../../api/value.ts';
import { isCaissonError } from '../../core/error.ts';
import type { ModuleExecution } from '../../modules/loaded-module.ts';
import type { ModuleRegistration } from '../../modules/module-schemas.ts';
import { compareVersions } from '../../modules/module-version.ts';
import type { Registered } from '../../modules/modules.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';
import { registerFor } from './modules.ts';

const FIRST_VERSION = '1.0.0';

export function serveEffects(app: FastifyInstance, service: Service): void {
  implement(app, registerEffect, async ({ body, caller: { tenant }, signal }) => {
    const { language = 'javascript', timeoutMs, memoryBytes, version, ...rest } = body;
    const isWasm = language === 'wasm';
    const registration = {
      ...rest,
      kind: isWasm ? 'wasm' : 'js',
      ...(isWasm ? {} : { language }),
      ...(timeoutMs === undefined && memoryBytes === undefined
        ? {}
        : {
            limits: {
              ...(timeoutMs === undefined ? {} : { timeoutMs }),
              ...(memoryBytes === undefined ? {} : { memoryBytes }),
            },
          }),
    } as Omit<ModuleRegistration, 'version'>;
    const { registrations } = service.security.quotas;
    const { module, added } = await registrations.during(tenant, signal, () =>
      register(service, tenant, registration, version),
    );
    const { score, decision, findings = [], signer, reasons = [] } = module.admission;
    return {
      id: module.id,
      version: module.version,
      digest: module.digest,
      added,
      security: {
        ...(score === undefined ? {} : { score }),
        decision,
        findings: [...findings],
        ...(signer === undefined ? {} : { signer }),
        signed: module.signed,
        reasons: [...reasons],
      },
    };
  });

  implement(app, executeEffect, async ({ body, caller, signal }) => {
    const modules = await service.modulesOf(caller.tenant);
    const { id, input, args = input === undefined ? [] : [input], export: name } = body;
    const { executions } = service.security.quotas;
    const execution = await executions.during(caller.tenant, signal, () =>
      modules.execute(id, { args, signal, ...(name === undefined ? {} : { export: name }) }),
    );
    return toEffect(execution);
  });
}

/** Whoever names no version changes an effect by registering it anew: that is the next patch. */
async function register(
  service: Service,
  tenant: string,
  registration: Omit<ModuleRegistration, 'version'>,
  version: string | undefined,
): Promise<Registered> {
  const withVersion = (text: string) =>
    registerFor(service, tenant, { ...registration, version: text } as ModuleRegistration);
  if (version !== undefined) return await withVersion(version);
  const modules = await service.modulesOf(tenant);
  const known = await modules.list({ id: registration.id });
  const latest = known
    .map((each) => each.version)
    .sort(compareVersions)
    .at(-1);
  if (latest === undefined) return await withVersion(FIRST_VERSION);
  try {
    return await withVersion(latest);
  } catch (error) {
    if (!isCaissonError(error) || error.code !== 'MODULE_EXISTS') throw error;
    return await withVersion(nextPatch(latest));
  }
}

function nextPatch(version: string): string {
  const [core = FIRST_VERSION] = version.split(/[-+]/, 1);
  const [major, minor, patch] = core.split('.');
  return `${major}.${minor}.${Number(patch) + 1}`;
}

function toEffect(execution: ModuleExecution) {
  const { kind, code, value, error, usage, stdout, stderr, module, admission, auditId } = execution;
  return {
    ok: kind === 'exited' && code === 0,
    ...(value === undefined ? {} : { result: valueToWire(value) }),
    ...(error === undefined ? {} : { error }),
    outcome: kind,
    durationMs: usage.wallMs,
    cpuMs: usage.cpuUserMs + usage.cpuSystemMs,
    memoryBytes: usage.memoryPeakBytes,
    output: { stdout: stdout.text, stderr: stderr.text },
    module,
    admission,
    auditId,
  };
}
