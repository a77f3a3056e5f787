/** What the routes of the service stand on. */
import type { Caisson } from '../compose.ts';
import type { Modules } from '../modules/modules.ts';
import type { AuditLog } from '../observe/audit/audit-log.ts';
import type { OpenTelemetry } from '../observe/telemetry/open-telemetry.ts';
import type { SandboxManager } from '../sandbox/manager/sandbox-manager.ts';
import type { ServiceStore } from '../store/service-store.ts';
import type { Config } from './config/config.ts';
import type { OutputRoom } from './output-room.ts';
import type { Places } from './places.ts';
import type { Security } from './security/security.ts';
import type { ServedSandboxes } from './served-sandboxes.ts';
import type { ThreatCounts } from './threat-counts.ts';
import type { ViolationLog } from './violation-log.ts';

export interface Service {
  readonly config: Config;
  /** Directory of its state, 0700. */
  readonly state: string;
  readonly caisson: Caisson;
  readonly manager: SandboxManager;
  readonly sandboxes: ServedSandboxes;
  readonly output: OutputRoom;
  /** What was refused in each of them. */
  readonly violations: ViolationLog;
  /** From what a request names to where it happens. */
  readonly places: Places;
  /** The registry of a tenant, with a database of its own. */
  modulesOf(tenant: string): Promise<Modules>;
  /** Absent where the configuration says that none is kept. */
  readonly audit: AuditLog | undefined;
  readonly telemetry: OpenTelemetry;
  readonly threats: ThreatCounts;
  readonly store: ServiceStore;
  readonly security: Security;
  /** No new work is taken. */
  readonly isDraining: boolean;
}
