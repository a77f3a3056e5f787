/** Registrations and executions as spans. */
import { admissionAttributes, outcomeAttributes } from '../core/span-attributes.ts';
import { type SpanAttributes, type Telemetry, traced } from '../core/telemetry.ts';
import type { ModuleExecution } from './loaded-module.ts';
import type { Registered } from './modules.ts';

export function tracedRegister(
  telemetry: Telemetry,
  tenant: string | undefined,
  work: () => Promise<Registered>,
): Promise<Registered> {
  const attributes = { 'caisson.tenant': tenant };
  return traced(telemetry, 'caisson.module.register', { attributes }, async (span) => {
    const registered = await work();
    const { module, added } = registered;
    span.set({ ...namesOf(module), 'caisson.module.added': added });
    span.set(admissionAttributes(module.admission));
    return registered;
  });
}

export function tracedExecute(
  telemetry: Telemetry,
  tenant: string | undefined,
  work: () => Promise<ModuleExecution>,
): Promise<ModuleExecution> {
  const attributes = { 'caisson.tenant': tenant };
  return traced(telemetry, 'caisson.module.execute', { attributes }, async (span) => {
    const execution = await work();
    span.set(namesOf(execution.module));
    span.set(outcomeAttributes(execution));
    return execution;
  });
}

function namesOf(module: { id: string; version: string; digest: string }): SpanAttributes {
  return {
    'caisson.module.id': module.id,
    'caisson.module.version': module.version,
    'caisson.module.digest': module.digest,
  };
}
