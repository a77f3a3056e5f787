/**
 * Caisson's public library.
 */

export type { ScannedFile, ScanReport } from './admission/scan/report.ts';
export type { ScanEvent, ScanOptions } from './admission/scan/scan-options.ts';
export { scan } from './admission/scan/scan-paths.ts';
export type { SignedSubject } from './admission/signing/binding.ts';
export { generateKeyFiles, type NewKey } from './admission/signing/key-file.ts';
export { parsePrivateKey, parsePublicKey } from './admission/signing/key-text.ts';
export { signCode } from './admission/signing/sign-statement.ts';
export type { SignedPredicate } from './admission/signing/statement.ts';
export { TrustFile } from './admission/signing/trust-file.ts';
export type { TrustRegistry } from './admission/signing/trust-registry.ts';
export {
  type SignatureVerdict,
  type VerifyOptions as SignatureOptions,
  verifySigned,
} from './admission/signing/verify.ts';
export type { CaissonAdmissionOptions } from './compose/admission-options.ts';
export {
  Caisson,
  type CaissonOptions,
  type PlaceOptions,
  type PrepareOptions,
  type RunOptions,
  type SpawnRunOptions,
} from './compose.ts';
export type {
  Admission,
  AdmissionDecision,
  AdmissionReport,
  Candidate,
  Capability,
  CheckedProof,
  CodeLanguage,
  Finding as AdmissionFinding,
  ThreatFamily,
  VerifiedSigner,
} from './core/admission.ts';
export {
  CaissonError,
  type ErrorCode,
  errorCodes,
  isCaissonError,
  type Result,
} from './core/error.ts';
export type {
  CapturedOutput,
  LimitName,
  Outcome,
  OutcomeKind,
  Usage,
  Violation,
} from './core/outcome.ts';
export type { ObservedEvent, Observer } from './core/ports.ts';
export type {
  Span,
  SpanAttributes,
  SpanOptions,
  Telemetry,
  TraceContext,
} from './core/telemetry.ts';
export { traced } from './core/telemetry.ts';
export type { CallOptions } from './functions/call.ts';
export type { EvalLanguage, EvalOptions } from './functions/eval-source.ts';
export type { Sandboxed } from './functions/sandboxed.ts';
export type { Diagnosis } from './host/doctor.ts';
export type { ModuleExecuteOptions, ModuleExecution } from './modules/loaded-module.ts';
export type {
  ModuleCeilings,
  ModuleFilter,
  ModuleInfo,
  ModuleRegistration,
  ModuleStatistics,
} from './modules/module-schemas.ts';
export type { Inspected, Modules, Registered } from './modules/modules.ts';
export type { ModulesOptions } from './modules/modules-setup.ts';
export { AuditLog, type AuditStatus, type Recorded } from './observe/audit/audit-log.ts';
export type { AuditOptions } from './observe/audit/audit-options.ts';
export type { Checkpoint } from './observe/audit/checkpoint.ts';
export type { Finding, FindingKind, Verification } from './observe/audit/finding.ts';
export { type RecordFilter, readLog } from './observe/audit/read-log.ts';
export type { AuditRecord } from './observe/audit/record.ts';
export { readPublicKey } from './observe/audit/signing-key.ts';
export { verifyLogInParallel } from './observe/audit/verify-in-parallel.ts';
export { type VerifyOptions, verifyLog } from './observe/audit/verify-log.ts';
export type { AlertOptions, Monitor, SamplesOptions } from './observe/monitor/monitor.ts';
export type { Rates, Sample, SandboxSample, TotalSample } from './observe/monitor/sample.ts';
export type { Alert, Metric, Threshold } from './observe/monitor/threshold.ts';
export type { NetworkReading, UsageReading } from './observe/monitor/usage-source.ts';
export {
  type OpenTelemetry,
  type OpenTelemetryOptions,
  openTelemetry,
} from './observe/telemetry/open-telemetry.ts';
export type { Explanation } from './plan/explain.ts';
export { renderExplanation } from './plan/explain.ts';
export type { HostFacts } from './plan/facts.ts';
export { definePolicy, type PolicyBuilder } from './policy/builder.ts';
export { digestPolicy } from './policy/digest.ts';
export type { PolicyDocument } from './policy/document.ts';
export { parsePolicy, policyFromDocument, safeParsePolicy } from './policy/parse.ts';
export type { Level, Policy } from './policy/policy.ts';
export type { ProfileName } from './policy/profiles.ts';
export { policyFromSrtSettings } from './policy/srt/policy-from-srt-settings.ts';
export type { SrtContext } from './policy/srt/srt-context.ts';
export type { Applied, ApplyOptions, Change, Changes } from './sandbox/changes.ts';
export type { Evaluation } from './sandbox/evaluation.ts';
export type { EvaluateOptions, Grants } from './sandbox/evaluator.ts';
export type { ExecOptions, SpawnOptions } from './sandbox/exec-options.ts';
export type { FileInfo, ListedFile, SandboxFiles } from './sandbox/files.ts';
export type { GuestProcess, OutputChunk } from './sandbox/guest-process.ts';
export type { ManagedFilter, ManagedInfo } from './sandbox/manager/managed-info.ts';
export type { ManagedSandbox } from './sandbox/manager/managed-sandbox.ts';
export type {
  ManagedCreateOptions,
  ManagedOptions,
  ManagedRunOptions,
  ManagerOptions,
} from './sandbox/manager/manager-options.ts';
export type { RecoveredSandbox, Recovery } from './sandbox/manager/recovery.ts';
export type { PoolLimits, Resources } from './sandbox/manager/resources.ts';
export type {
  CloseManagerOptions,
  PoolLoad,
  SandboxManager,
} from './sandbox/manager/sandbox-manager.ts';
export type { SandboxState } from './sandbox/manager/states.ts';
export type { CodeClaims } from './sandbox/place-options.ts';
export type { PolicyInput } from './sandbox/policy-book.ts';
export type { EngineLanguage, ProgramFiles, ProgramSource } from './sandbox/program.ts';
export type { ResolvedPolicy } from './sandbox/resolved-policy.ts';
export type { Sandbox, Snapshot } from './sandbox/sandbox.ts';
export type { Shell } from './sandbox/shell.ts';
export type { ShellCommandOptions, ShellOptions, ShellOutcome } from './sandbox/shell-command.ts';
export type { FileEvent, WatchOptions } from './sandbox/watch.ts';
export {
  type SandboxedFunction,
  type SandboxedOptions,
  SandboxedToolRunner,
  sandboxed,
  type ToolRunnerOptions,
} from './standalone.ts';
