/** From the configuration to what is told to whom; OTEL_* of the service's environment count where it says nothing. */
import {
  type OpenTelemetry,
  type OpenTelemetryOptions,
  openTelemetry,
} from '../observe/telemetry/open-telemetry.ts';
import type { Config } from './config/config.ts';
import { readHeadersFile } from './config/headers-file.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws CONFIG_INVALID */
export async function openServiceTelemetry(
  { telemetry }: Config,
  environment: Environment = process.env,
): Promise<OpenTelemetry> {
  return await openTelemetry(await settingsOf(telemetry, environment), environment);
}

async function settingsOf(
  { serviceName, otlp, metrics }: Config['telemetry'],
  { OTEL_SERVICE_NAME: named }: Environment,
): Promise<OpenTelemetryOptions> {
  const settings = {
    prometheus: metrics !== 'off',
    // The configuration has a name of its own for whoever gives none.
    ...(named === undefined || serviceName !== 'caisson' ? { serviceName } : {}),
  };
  if (otlp === undefined) return settings;
  const { headersFile, metrics: figures, ...rest } = otlp;
  const headers = headersFile === undefined ? {} : { headers: await readHeadersFile(headersFile) };
  return { ...settings, ...headers, ...rest, metrics: figures };
}
