/**
 * From documents to the one immutable policy: level filled in, paths absolute, sets canonical.
 *
 * Takes documents from the most basic to the most special. Lists are joined (a carve-out holds for
 * good), single values replaced. Paths, destinations, names and quantities are parsed here again,
 * so documents that TypeScript alone has checked are safe to pass.
 */
import { resolveAdmission } from './admission-document.ts';
import { parseCapability } from './capability-names.ts';
import { levels } from './levels.ts';
import { nameSet } from './name-set.ts';
import { resolveLimits } from './normalize-limits.ts';
import { resolveNetwork } from './normalize-network.ts';
import { isHermetic, type NormalizeContext, resolvePaths } from './normalize-paths.ts';
import { onViolationFor, violationEnding } from './on-violation.ts';
import { WORKSPACE } from './path.ts';
import { touchesPath } from './path-set.ts';
import type { Level, PathSet, Policy } from './policy.ts';
import { protectFault } from './protect.ts';
import { type DocumentLayer, Sheet } from './sheet.ts';
import { normalizeSideChannels, type SideChannelDocument } from './side-channels.ts';

export type { NormalizeContext };

/** @throws CaissonError `POLICY_INVALID` with every problem in `details.problems` */
export function normalize(layers: readonly DocumentLayer[], context: NormalizeContext): Policy {
  const sheet = new Sheet(layers);
  const level: Level = sheet.last((document) => document.level) ?? 'strict';
  const preset = levels[level];
  const { read, write, scratch } = resolvePaths(sheet, level, context);
  const protect = resolveProtect(sheet);
  const network = resolveNetwork(sheet, level);
  const policy: Policy = {
    version: 1,
    name: sheet.last((document) => document.name) ?? level,
    level,
    walls: resolveWalls(sheet, level),
    view: preset.view,
    read,
    write,
    protect,
    scratch,
    workspace: resolveWorkspace(sheet, [read, write, scratch]),
    network,
    environment: resolveEnvironment(sheet, level),
    syscalls: {
      preset: sheet.last((document) => document.syscalls?.preset) ?? preset.document.syscalls,
      allow: sortedUnique(sheet.strings('syscalls', 'allow')),
      deny: sortedUnique(sheet.strings('syscalls', 'deny')),
    },
    capabilities: {
      base: sheet.last((document) => document.capabilities?.base) ?? preset.document.capabilities,
      add: resolveCapabilities(sheet, 'add'),
      drop: resolveCapabilities(sheet, 'drop'),
    },
    devices: sortedUnique(sheet.strings('devices')),
    sys: sheet.last((document) => document.filesystem?.sys) ?? false,
    hostname: sheet.last((document) => document.hostname) ?? 'caisson',
    ...(isHermetic(sheet) ? { hermetic: true as const } : {}),
    ...resolveOnViolation(sheet, level),
    ...resolveFileRefusals(sheet),
    ...resolveSideChannels(sheet, level, network),
    ...resolveAdmission(sheet),
    limits: resolveLimits(sheet, level),
  };
  sheet.throwProblems();
  return freeze(policy);
}

function resolveWorkspace(sheet: Sheet, sets: readonly PathSet[]): Policy['workspace'] {
  const used = sets.some((set) => touchesPath(set, WORKSPACE));
  const mode = sheet.last((document) => document.filesystem?.workspace);
  const apply = sheet.last((document) => document.filesystem?.apply);
  const layer = sheet.lastLayer(['filesystem', 'workspace']);
  if (mode === 'none' && used) {
    sheet.report(
      layer,
      ['filesystem', 'workspace'],
      'there is no workspace, but paths below it are named',
      'leave out `workspace: none`, or write absolute paths',
    );
  }
  if (mode !== undefined && mode !== 'none' && !used) {
    sheet.report(
      layer,
      ['filesystem', 'workspace'],
      'nothing of the workspace may be read or written',
      'add `read: [.]` or `write: [.]`',
    );
  }
  const chosen = mode ?? (used ? 'direct' : 'none');
  if (apply === 'auto' && chosen !== 'overlay' && chosen !== 'staged') {
    sheet.report(
      sheet.lastLayer(['filesystem', 'apply']),
      ['filesystem', 'apply'],
      '`apply` is for an overlay',
      'add `workspace: overlay`',
    );
  }
  return { mode: chosen, apply: apply ?? 'manual' };
}

function resolveProtect(sheet: Sheet): string[] {
  const kept = new Set<string>();
  for (const { value, layer, path } of sheet.entries('filesystem', 'protect') ?? []) {
    const fault = protectFault(value);
    if (fault) sheet.report(layer, path, fault.message, fault.hint);
    else if (!value.startsWith('!')) kept.add(value);
    else if (!kept.delete(value.slice(1))) {
      sheet.report(
        layer,
        path,
        `${value.slice(1)} is not an inherited pattern`,
        'write it exactly as it is inherited',
      );
    }
  }
  return [...kept].sort();
}

function resolveWalls(sheet: Sheet, level: Level): Policy['walls'] {
  const preset = levels[level];
  const named = sheet.last((document) => document.walls);
  if (!named) return [...preset.walls];
  const layer = sheet.lastLayer(['walls']);
  for (const [i, wall] of named.entries()) {
    if (!preset.mayUse.includes(wall)) {
      sheet.report(
        layer,
        ['walls', i],
        `the level ${level} cannot stand behind the wall ${wall}`,
        `one of ${preset.mayUse.join(', ')}`,
      );
    }
  }
  return [...new Set(named)];
}

function resolveEnvironment(sheet: Sheet, level: Level): Policy['environment'] {
  const preset = levels[level].document;
  const set = new Map<string, string>();
  for (const layer of sheet.layers) {
    for (const [name, value] of Object.entries(layer.document.environment?.set ?? {})) {
      if (!/^[^=\0]+$/.test(name) || String(value).includes('\0')) {
        sheet.report(
          layer,
          ['environment', 'set', name],
          'the name or value holds what no environment can',
        );
      }
      set.set(name, String(value));
    }
  }
  return {
    pass: nameSet(sheet.entries('environment', 'pass')?.map((entry) => entry.value) ?? preset.pass),
    set: [...set].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

function resolveOnViolation(sheet: Sheet, level: Level): Pick<Policy, 'onViolation'> {
  const onViolation = sheet.last((document) => document.onViolation);
  if (onViolation === undefined) return {};
  return onViolationFor(level, violationEnding({ level, onViolation }));
}

function resolveFileRefusals(sheet: Sheet): Pick<Policy, 'fileRefusals'> {
  const fileRefusals = sheet.last((document) => document.fileRefusals);
  return fileRefusals === undefined || fileRefusals === 'none' ? {} : { fileRefusals };
}

function resolveSideChannels(
  sheet: Sheet,
  level: Level,
  { secrets = [] }: Policy['network'],
): Pick<Policy, 'sideChannels'> {
  const said: SideChannelDocument = Object.assign(
    {},
    ...sheet.layers.map(({ document }) => document.sideChannels ?? {}),
  );
  const place = ['sideChannels', 'resultGrid'];
  return (
    sheet.attempt(sheet.lastLayer(place), place, () =>
      normalizeSideChannels(said, level, secrets.length > 0),
    ) ?? {}
  );
}

function resolveCapabilities(sheet: Sheet, key: 'add' | 'drop'): string[] {
  return sortedUnique(
    (sheet.entries('capabilities', key) ?? []).flatMap(({ value, layer, path }) => {
      const name = parseCapability(value);
      if (name === undefined)
        sheet.report(layer, path, `${JSON.stringify(value)} is not a capability`);
      return name ?? [];
    }),
  );
}

function sortedUnique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  }
  return value;
}
