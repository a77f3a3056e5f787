/**
 * What a policy does against side channels and leaks: what it says, or else its level.
 */
import { z } from 'zod';
import { formatDuration, parseDuration } from '../core/units.ts';
import { faultOf, report } from './checked-value.ts';
import { LEVEL_NAMES } from './levels.ts';
import type { Level, Policy, SideChannelPolicy } from './policy.ts';

export const sideChannelsSchema = z
  .strictObject({
    speculation: z
      .boolean()
      .describe(
        'Speculation of the processor is restricted in what the guest runs (store bypass, indirect branches; the L1 cache is flushed where the machine was started for it), for good. `paranoid`: true, else false.',
      ),
    coreScheduling: z
      .boolean()
      .describe(
        'No thread of another sandbox, or of the host, runs on the same core at the same time. Needs a kernel with core scheduling. `paranoid`: true, else false.',
      ),
    resultGrid: z
      .union([z.string(), z.number()], { error: 'write a duration such as 100ms' })
      .check((ctx) => report(ctx, () => faultOf(() => parseDuration(ctx.value))))
      .describe(
        'Results and output are released at multiples of this time alone, and times in them are rounded up to it. Not said: at once.',
      ),
    redact: z
      .boolean()
      .describe(
        'Values of `network.secrets` are replaced in what leaves the sandbox: a guard against accident, not against a guest that wants to get them out. True wherever there are secrets.',
      ),
    tsc: z
      .enum(['allow', 'deny'])
      .describe(
        '`deny`: reading the time stamp counter ends a program with SIGSEGV. That kills every ordinary glibc program at its start.',
      ),
  })
  .partial();

export type SideChannelDocument = z.infer<typeof sideChannelsSchema>;

/** What holds for one policy, nothing left to the level. */
export interface SideChannels {
  readonly speculation: boolean;
  readonly coreScheduling: boolean;
  /** 0: results are released at once. */
  readonly resultGridMs: number;
  /** False too where there is no secret to replace. */
  readonly redact: boolean;
  readonly tsc: 'allow' | 'deny';
}

type Asked = Pick<Policy, 'level' | 'sideChannels'> & {
  readonly network: Pick<Policy['network'], 'secrets'>;
};

export function sideChannelsOf({ level, network, sideChannels: said }: Asked): SideChannels {
  return {
    speculation: said?.speculation ?? byLevel(level),
    coreScheduling: said?.coreScheduling ?? byLevel(level),
    resultGridMs: said?.resultGridMs ?? 0,
    redact: (network.secrets ?? []).length > 0 && said?.redact !== false,
    tsc: said?.tsc ?? 'allow',
  };
}

/** What of a document differs from its level and defaults: this alone is in a policy, and in its digest. */
export function normalizeSideChannels(
  { resultGrid, ...said }: SideChannelDocument,
  level: Level,
  hasSecrets: boolean,
): Pick<Policy, 'sideChannels'> {
  const { speculation = byLevel(level), coreScheduling = byLevel(level) } = said;
  return differences(level, {
    speculation,
    coreScheduling,
    resultGridMs: resultGrid === undefined ? 0 : parseDuration(resultGrid),
    shows: hasSecrets && said.redact === false,
    tsc: said.tsc ?? 'allow',
  });
}

/** As one writes it; absent where the policy says nothing of its own. */
export function sideChannelDocument({ sideChannels }: Pick<Policy, 'sideChannels'>): {
  sideChannels?: SideChannelDocument;
} {
  if (sideChannels === undefined) return {};
  const { resultGridMs, ...rest } = sideChannels;
  const grid = resultGridMs === undefined ? {} : { resultGrid: formatDuration(resultGridMs) };
  return { sideChannels: { ...rest, ...grid } };
}

/** For a policy made of two: `stricter` takes of each the one that tells less, `weaker` the other. */
export function combineSideChannels(
  pick: 'stricter' | 'weaker',
  level: Level,
  hasSecrets: boolean,
  a: Policy,
  b: Policy,
): Pick<Policy, 'sideChannels'> {
  const [x, y] = [sideChannelsOf(a), sideChannelsOf(b)];
  const either = (one: boolean, other: boolean) =>
    pick === 'stricter' ? one || other : one && other;
  const grids = [x.resultGridMs, y.resultGridMs];
  const shows = [a, b].some(showsSecrets);
  return differences(level, {
    speculation: either(x.speculation, y.speculation),
    coreScheduling: either(x.coreScheduling, y.coreScheduling),
    resultGridMs: pick === 'stricter' ? Math.max(...grids) : Math.min(...grids),
    shows: hasSecrets && shows && (pick === 'weaker' || !(x.redact || y.redact)),
    tsc: either(x.tsc === 'deny', y.tsc === 'deny') ? 'deny' : 'allow',
  });
}

/** What `of` tells and `over` does not. */
export function sideChannelExcess(of: Policy, over: Policy): { clause: string; may: string }[] {
  const [wide, narrow] = [sideChannelsOf(of), sideChannelsOf(over)];
  const rows: readonly (readonly [keyof SideChannels, boolean, string])[] = [
    ['speculation', narrow.speculation && !wide.speculation, 'let the processor speculate freely'],
    ['coreScheduling', narrow.coreScheduling && !wide.coreScheduling, 'share a core with others'],
    ['redact', narrow.redact && showsSecrets(of), 'show values of secrets in its output'],
    ['tsc', narrow.tsc === 'deny' && wide.tsc === 'allow', 'read the time stamp counter'],
  ];
  const grid = (ms: number) => (ms === 0 ? 'at any time' : `every ${formatDuration(ms)}`);
  return [
    ...rows.flatMap(([key, more, may]) => (more ? [{ clause: `sideChannels.${key}`, may }] : [])),
    ...(wide.resultGridMs < narrow.resultGridMs
      ? [
          {
            clause: 'sideChannels.resultGrid',
            may: `give results ${grid(wide.resultGridMs)} (over ${grid(narrow.resultGridMs)})`,
          },
        ]
      : []),
  ];
}

function showsSecrets({ network, sideChannels }: Asked): boolean {
  return (network.secrets ?? []).length > 0 && sideChannels?.redact === false;
}

function byLevel(level: Level): boolean {
  return LEVEL_NAMES.indexOf(level) >= LEVEL_NAMES.indexOf('paranoid');
}

function differences(
  level: Level,
  is: Omit<SideChannels, 'redact'> & { readonly shows: boolean },
): Pick<Policy, 'sideChannels'> {
  const own = byLevel(level);
  const said: SideChannelPolicy = {
    ...(is.speculation === own ? {} : { speculation: is.speculation }),
    ...(is.coreScheduling === own ? {} : { coreScheduling: is.coreScheduling }),
    ...(is.resultGridMs === 0 ? {} : { resultGridMs: is.resultGridMs }),
    ...(is.shows ? { redact: false as const } : {}),
    ...(is.tsc === 'deny' ? { tsc: is.tsc } : {}),
  };
  return Object.keys(said).length === 0 ? {} : { sideChannels: said };
}
