/** Whether the environment asks for traces. Loads nothing: a run that is known already looks here too. */

const ASKS = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
] as const;

/** What it comes to is the settings' to say (observe/telemetry); where this is false it is nothing. */
export function mayAskForTraces(environment: NodeJS.ProcessEnv): boolean {
  if (environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  if (environment.OTEL_TRACES_EXPORTER?.trim() === 'none') return false;
  return ASKS.some((name) => (environment[name] ?? '').trim() !== '');
}
