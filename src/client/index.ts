/**
 * `caisson/client`: what a service does, in the library's own shape: docs/client.md.
 */
export { CaissonError, type ErrorCode, isCaissonError, type Result } from '../core/error.ts';
export type { ConnectOptions } from './connect-options.ts';
export type { Once, RemotePolicyInput } from './place.ts';
export type {
  IssuedKey,
  RemoteKey,
  RemoteKeys,
  RemoteTenant,
  RemoteTenants,
} from './remote-access.ts';
export type {
  RemoteScanOptions,
  RemoteScanReport,
  RemoteSubject,
  RemoteTrust,
} from './remote-admission.ts';
export type {
  AuditFilter,
  AuditFollow,
  AuditQuery,
  RemoteAudit,
  RemoteAuditRecord,
} from './remote-audit.ts';
export { RemoteCaisson, type RemoteCreateOptions } from './remote-caisson.ts';
export type { RemoteChanges } from './remote-changes.ts';
export type { RemoteFiles } from './remote-files.ts';
export type { RemoteModules } from './remote-modules.ts';
export type { RemoteSandboxes, RemoteSandboxFilter, RemoteStatistics } from './remote-overview.ts';
export type { RemotePolicies, StoredRemotePolicy } from './remote-policies.ts';
export type { RemoteSandbox, RemoteSnapshot, RemoteViolations } from './remote-sandbox.ts';
export type { RemoteShell } from './remote-shell.ts';
export type {
  SharedCaisson,
  SharedChanges,
  SharedFiles,
  SharedModules,
  SharedSandbox,
  SharedShell,
  SharedSnapshot,
} from './shared.ts';
