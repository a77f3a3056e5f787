/**
 * The limits of a policy: the level's, with what the documents say in their place.
 */
import {
  parseByteRate,
  parseBytes,
  parseCoreBytes,
  parseCores,
  parseCount,
  parseDuration,
  parseWeight,
} from '../core/units.ts';
import type { PolicyDocument } from './document.ts';
import { levels } from './levels.ts';
import { LIMIT_ROWS, type SizedLimit } from './limits.ts';
import type { Level, Limits } from './policy.ts';
import type { Sheet } from './sheet.ts';

type LimitDocument = NonNullable<PolicyDocument['limits']>;

const PARSE: Readonly<Record<SizedLimit, (value: string | number) => number>> = {
  wallMs: parseDuration,
  cpuMs: parseDuration,
  memoryBytes: parseBytes,
  memoryHighBytes: parseBytes,
  cpuMillicores: parseCores,
  cpuWeight: parseWeight,
  processes: parseCount,
  openFiles: parseCount,
  fileSizeBytes: parseBytes,
  outputBytes: parseBytes,
  scratchBytes: parseBytes,
  readBytesPerSecond: parseByteRate,
  writeBytesPerSecond: parseByteRate,
  coreBytes: parseCoreBytes,
  stackBytes: parseBytes,
};

export function resolveLimits(sheet: Sheet, level: Level): Limits {
  const preset = levels[level];
  const values = Object.fromEntries(
    LIMIT_ROWS.map(({ name, key }) => {
      const path = ['limits', key];
      const layer = sheet.lastLayer(path);
      const written = sheet.last(
        (document) => (document.limits as LimitDocument | undefined)?.[key],
      );
      if (written === undefined) return [name, preset.limits[name]];
      if (written === null || written === 'unlimited') {
        if (preset.mustLimit.includes(name)) {
          sheet.report(
            layer,
            path,
            `the level ${level} cannot do without this limit`,
            'write a value, or choose another level',
          );
        }
        return [name, null];
      }
      return [name, sheet.attempt(layer, path, () => PARSE[name](written)) ?? null];
    }),
  ) as Record<SizedLimit, number | null>;
  const limits: Limits = {
    ...values,
    onOutputLimit:
      sheet.last((document) => document.limits?.onOutputLimit) ?? preset.limits.onOutputLimit,
  };
  if (
    limits.memoryHighBytes !== null &&
    limits.memoryBytes !== null &&
    limits.memoryHighBytes > limits.memoryBytes
  ) {
    sheet.report(
      sheet.lastLayer(['limits', 'memoryHigh']),
      ['limits', 'memoryHigh'],
      'the soft memory limit is above the hard one',
      'make memoryHigh smaller than memory',
    );
  }
  return limits;
}
