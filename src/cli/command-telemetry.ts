/** Traces of one command, where `--telemetry` or OTEL_* ask for them. Where nobody does, nothing is loaded. */
import type { TraceContext } from '../core/telemetry.ts';
import type { OpenTelemetry } from '../observe/telemetry/open-telemetry.ts';
import type { FlagValues } from './command.ts';
import { mayAskForTraces } from './otel-environment.ts';
import type { TelemetryFlags } from './telemetry-flags.ts';

/** A receiver that does not answer holds the command up so long, once its guest has ended. */
const SEND_MS = 2000;

export class CommandTelemetry implements AsyncDisposable {
  readonly telemetry: OpenTelemetry;
  /** What the spans are below: the place that our own caller has (TRACEPARENT). */
  readonly trace: TraceContext | undefined;

  private constructor(telemetry: OpenTelemetry, trace: TraceContext | undefined) {
    this.telemetry = telemetry;
    this.trace = trace;
  }

  /** @returns undefined where nobody asks for it @throws CONFIG_INVALID */
  static async open(
    { telemetry: asked }: FlagValues<TelemetryFlags>,
    environment: NodeJS.ProcessEnv = process.env,
  ): Promise<CommandTelemetry | undefined> {
    if (asked === false || (asked === undefined && !mayAskForTraces(environment))) return undefined;
    const { openTelemetry } = await import('../observe/telemetry/open-telemetry.ts');
    const telemetry = await openTelemetry(
      {
        ...(asked === undefined ? {} : { traces: true }),
        metrics: false,
        logs: false,
        prometheus: false,
        shutdownMs: SEND_MS + 500,
        ...(isSet(environment, 'OTEL_EXPORTER_OTLP_TIMEOUT') ||
        isSet(environment, 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT')
          ? {}
          : { exportTimeoutMs: SEND_MS }),
      },
      environment,
    );
    const { TRACEPARENT: traceparent, TRACESTATE: tracestate } = environment;
    if (traceparent === undefined) return new CommandTelemetry(telemetry, undefined);
    return new CommandTelemetry(telemetry, {
      traceparent,
      ...(tracestate === undefined ? {} : { tracestate }),
    });
  }

  /** Sends what is left; says so where that could not be done. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.telemetry.shutdown();
    if (this.telemetry.hasSentAll) return;
    process.stderr.write(
      'caisson: telemetry: not all spans could be sent; is OTEL_EXPORTER_OTLP_ENDPOINT the receiver that you mean? (http://HOST:4318; default: localhost)\n',
    );
  }
}

/** What a Caisson, and a call of it, take. */
export function tracedBy(command: CommandTelemetry | undefined): {
  readonly open: { readonly telemetry?: OpenTelemetry };
  readonly call: { readonly trace?: TraceContext };
} {
  if (command === undefined) return { open: {}, call: {} };
  const { telemetry, trace } = command;
  return { open: { telemetry }, call: trace === undefined ? {} : { trace } };
}

function isSet(environment: NodeJS.ProcessEnv, name: string): boolean {
  return (environment[name] ?? '').trim() !== '';
}
