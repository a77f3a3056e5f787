/** Commands of a sandbox that stays as spans of their own: below whoever asks for them, else below what made the sandbox. */
import type { Outcome } from '../core/outcome.ts';
import { outcomeAttributes } from '../core/span-attributes.ts';
import { type Span, type SpanOptions, type Telemetry, traced } from '../core/telemetry.ts';
import type { GuestProcess } from './guest-process.ts';

/** What they are asked for with. */
export interface TracedCommand {
  readonly telemetry: Telemetry;
  /** Id of the sandbox. */
  readonly id: string;
  /** What made it. */
  readonly origin: Span | undefined;
  readonly trace?: SpanOptions['parent'];
}

export function tracedExec(
  command: TracedCommand,
  argv: readonly string[],
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  return traced(command.telemetry, 'caisson.exec', optionsOf(command, argv), async (span) => {
    const outcome = await work();
    span.set(outcomeAttributes(outcome));
    return outcome;
  });
}

export function tracedSpawn(
  command: TracedCommand,
  argv: readonly string[],
  work: () => GuestProcess,
): GuestProcess {
  const { telemetry } = command;
  const span = telemetry.begin('caisson.spawn', optionsOf(command, argv));
  try {
    const guest = telemetry.within(span, work);
    guest.outcome.then(
      (outcome) => {
        span.set(outcomeAttributes(outcome));
        span.end();
      },
      (error) => span.end(error),
    );
    return guest;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

export function tracedClose(command: TracedCommand, work: () => Promise<void>): Promise<void> {
  return traced(command.telemetry, 'caisson.close', optionsOf(command), work);
}

function optionsOf({ id, origin, trace }: TracedCommand, argv?: readonly string[]): SpanOptions {
  return {
    parent: trace,
    origin,
    attributes: { 'caisson.sandbox.id': id, 'process.args_count': argv?.length },
  };
}
