/** Everything that the service serves. */
import type { FastifyInstance } from 'fastify';
import type { Service } from '../service.ts';
import { serveAccess } from './access.ts';
import { serveAdmission } from './admission.ts';
import { serveAudit } from './audit.ts';
import { serveChanges } from './changes.ts';
import { serveCommands } from './commands.ts';
import { serveEffects } from './effects.ts';
import { serveEvaluations } from './evaluations.ts';
import { serveFiles } from './files.ts';
import { serveLifecycle } from './lifecycle.ts';
import { serveModules } from './modules.ts';
import { serveOperations } from './operations.ts';
import { servePolicies } from './policies.ts';
import { servePorts } from './ports.ts';
import { serveSandboxes } from './sandboxes.ts';
import { serveShells } from './shells.ts';
import { serveSpawn } from './spawn.ts';
import { serveStatistics } from './statistics.ts';
import { serveTrust } from './trust.ts';

export function serveRoutes(app: FastifyInstance, service: Service): void {
  serveSandboxes(app, service);
  serveCommands(app, service);
  serveSpawn(app, service);
  serveFiles(app, service);
  serveShells(app, service);
  servePorts(app, service);
  serveChanges(app, service);
  serveLifecycle(app, service);
  serveEffects(app, service);
  serveEvaluations(app, service);
  serveModules(app, service);
  serveAccess(app, service);
  servePolicies(app, service);
  serveAdmission(app, service);
  serveTrust(app, service);
  serveAudit(app, service);
  serveStatistics(app, service);
  serveOperations(app, service);
}
