/** Every route of the service. */
import { health, metrics, openApi, readiness } from './operations.ts';
import type { Route } from './route.ts';
import {
  createSandbox,
  execInSandbox,
  inspectSandbox,
  killSandbox,
  listSandboxes,
  runCommand,
} from './sandboxes.ts';

export const routes: readonly Route[] = [
  runCommand,
  createSandbox,
  listSandboxes,
  inspectSandbox,
  killSandbox,
  execInSandbox,
  health,
  readiness,
  openApi,
  metrics,
];
