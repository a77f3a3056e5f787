/** Why a module is not registered or not executed. */
import type { AdmissionReport } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import type { ModuleName } from '../store/module-record.ts';

export function keyOf({ id, version }: ModuleName): string {
  return `${id}@${version}`;
}

export function exists(name: ModuleName): CaissonError {
  return new CaissonError('MODULE_EXISTS', {
    layer: 'modules',
    message: `${keyOf(name)} is registered, or was, with other content`,
    hint: 'a version never changes: register it under a new one',
    details: { id: name.id, version: name.version },
  });
}

export function disabled(name: ModuleName): CaissonError {
  return new CaissonError('MODULE_DISABLED', {
    layer: 'modules',
    message: `${keyOf(name)} is disabled`,
    hint: `enable it (caisson module enable ${keyOf(name)}), or name another version`,
    details: { id: name.id, version: name.version },
  });
}

export function notFound(
  reference: string,
  versions: readonly string[],
  near?: string,
): CaissonError {
  const hint =
    versions.length > 0
      ? `there are ${versions.slice(-10).join(', ')}`
      : near === undefined
        ? 'the list of modules shows what is there (caisson module list)'
        : `did you mean ${near}?`;
  return new CaissonError('MODULE_NOT_FOUND', {
    layer: 'modules',
    message: `no module ${reference} is registered`,
    hint,
    details: { reference },
  });
}

export function refused(
  name: ModuleName,
  { reasons = [], ...report }: AdmissionReport,
  cause?: unknown,
): CaissonError {
  const worst = report.findings?.find(({ score }) => score > 0);
  const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`;
  return new CaissonError('MODULE_REFUSED', {
    layer: 'modules',
    message: `${keyOf(name)} was not admitted${why}`,
    hint:
      worst === undefined
        ? 'change the code, or what is asked of it: docs/admission.md'
        : `${worst.rule}: ${worst.remedy}`,
    details: {
      id: name.id,
      version: name.version,
      reasons: [...reasons],
      admission: { ...report, reasons },
    },
    cause,
  });
}
