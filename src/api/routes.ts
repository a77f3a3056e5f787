/** Every route of the service. */
import { executeEffect, registerEffect } from './effects.ts';
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

export const routes: readonly Route[] = [
  runCommand,
  createSandbox,
  listSandboxes,
  inspectSandbox,
  killSandbox,
  execInSandbox,
  registerEffect,
  executeEffect,
  evaluateSource,
  registerModule,
  listModules,
  inspectModule,
  executeModule,
  changeModule,
  removeModule,
  health,
  readiness,
  openApi,
  metrics,
];
