/** The switch of a command's own traces. */
import type { Flags } from './command.ts';

export const telemetryFlags = {
  telemetry: {
    negatable: true,
    summary:
      'Send spans of this command over OTLP to where OTEL_* say, else to http://localhost:4318 (default: where OTEL_* name a receiver)',
  },
} as const satisfies Flags;

export type TelemetryFlags = typeof telemetryFlags;
