/** Every route of the service. */
import {
  changeTenant,
  createKey,
  createTenant,
  inspectKey,
  inspectTenant,
  listKeys,
  listTenants,
  revokeKey,
  rotateKey,
} from './access.ts';
import { executeEffect, registerEffect } from './effects.ts';
import { streamInSandbox, streamRun } from './events.ts';
import {
  changeModule,
  evaluateSource,
  executeModule,
  inspectModule,
  listModules,
  registerModule,
  removeModule,
} from './modules.ts';
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
import { spawnInSandbox, spawnRun } from './spawn.ts';

export const routes: readonly Route[] = [
  runCommand,
  createSandbox,
  listSandboxes,
  inspectSandbox,
  killSandbox,
  execInSandbox,
  spawnInSandbox,
  spawnRun,
  streamInSandbox,
  streamRun,
  registerEffect,
  executeEffect,
  evaluateSource,
  registerModule,
  listModules,
  inspectModule,
  executeModule,
  changeModule,
  removeModule,
  listKeys,
  createKey,
  inspectKey,
  rotateKey,
  revokeKey,
  listTenants,
  createTenant,
  inspectTenant,
  changeTenant,
  health,
  readiness,
  openApi,
  metrics,
];
