/** Steps of a request as spans, where somebody traces them. Where nobody does, none of this is called. */

import type { Outcome } from '../core/outcome.ts';
import { admissionAttributes, outcomeAttributes } from '../core/span-attributes.ts';
import { type Span, type SpanOptions, type Telemetry, traced } from '../core/telemetry.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import { Runner } from '../sandbox/run.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Admitted } from './admission-gate.ts';

/** A request as a whole, in which a guest comes to its end. */
export function tracedRequest<T extends Outcome>(
  telemetry: Telemetry,
  name: string,
  options: SpanOptions,
  work: () => Promise<T>,
): Promise<T> {
  return traced(telemetry, name, options, async (span) => {
    const outcome = await work();
    span.set(outcomeAttributes(outcome));
    return outcome;
  });
}

/** A request as a whole: its span ends with the guest that it started. */
export async function tracedStart(
  telemetry: Telemetry,
  options: SpanOptions,
  work: () => Promise<GuestProcess>,
): Promise<GuestProcess> {
  const span = telemetry.begin('caisson.spawn', options);
  try {
    const guest = await telemetry.within(span, work);
    endWith(span, guest.outcome);
    return guest;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

export function tracedCreate(
  telemetry: Telemetry,
  options: SpanOptions,
  work: () => Promise<Sandbox>,
): Promise<Sandbox> {
  return traced(telemetry, 'caisson.create', options, async (span) => {
    const sandbox = await work();
    span.set({ 'caisson.sandbox.id': sandbox.id });
    return sandbox;
  });
}

export function tracedAdmission(
  telemetry: Telemetry,
  admit: () => Admitted | Promise<Admitted>,
): Promise<Admitted> {
  return traced(telemetry, 'caisson.admission', {}, async (span) => {
    const admitted = await admit();
    span.set(admissionAttributes(admitted.report));
    return admitted;
  });
}

/** What was planned before is found at once. */
export function tracedPlan(
  telemetry: Telemetry,
  find: () => Runner | Promise<Runner>,
): Promise<Runner> {
  return traced(telemetry, 'caisson.plan', {}, async (span) => {
    const found = find();
    const runner = found instanceof Runner ? found : await found;
    const { wall } = runner.context;
    span.set({
      'caisson.plan.cached': found instanceof Runner,
      'caisson.wall': wall,
      'caisson.policy.digest': runner.policyDigest,
    });
    return runner;
  });
}

export function requestOf({ trace, tenant }: PlaceOptions, argv?: readonly string[]): SpanOptions {
  return {
    parent: trace,
    attributes: { 'caisson.tenant': tenant, 'process.args_count': argv?.length },
  };
}

function endWith(span: Span, outcome: Promise<Outcome>): void {
  outcome.then(
    (ended) => {
      span.set(outcomeAttributes(ended));
      span.end();
    },
    (error) => span.end(error),
  );
}
