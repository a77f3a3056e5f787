/**
 * Directories that must not be renamed, because what is carved out of them would then show elsewhere.
 */
import { isWithin } from '../policy/path-set.ts';
import type { JobTemplate, LateMount } from './plan.ts';

/** A toolchain's bind knows no owner: it is mapped to nobody, as /usr is. A pin holds a directory in its place. */
export type Bound = LateMount & {
  readonly toolchain?: true;
  /** A scratch that stands where a mask would: something below it shows. */
  readonly hides?: true;
  readonly pin?: true;
  /** What is written goes there: an overlay. */
  readonly layers?: OverlayDirectories;
};

/** Host directories in which an overlay keeps what changes; `work` is overlayfs's own (mount(8), overlay). */
export interface OverlayDirectories {
  readonly upper: string;
  readonly work: string;
}

/**
 * What is carved out below a directory that may be written is where the policy says only while the directories that
 * lead to it are: renamed in one run, they would show it in the next. So each is bound on itself, for a mount point
 * cannot be renamed away (EBUSY, rename(2)). In an overlay the changes pass through our hands.
 */
export function withPins(
  late: readonly Bound[],
  template: JobTemplate,
  workspace: string | undefined,
): readonly Bound[] {
  const byTarget = new Map(late.map((mount) => [mount.target, mount]));
  const isOverlay = (mount: Bound): boolean =>
    mount.layers !== undefined || (template.workspace === 'overlay' && mount.target === workspace);
  const writable = late.flatMap((mount) =>
    mount.kind === 'bind' && mount.access === 'write' && !isOverlay(mount) ? [mount] : [],
  );
  for (const mount of late) {
    const { target } = mount;
    if (mount.kind === 'scratch' && mount.hides !== true) continue;
    // An overlay holds what may not be made in it only where it is.
    if (mount.kind === 'bind' && mount.access === 'write' && !isOverlay(mount)) continue;
    // `late` is sorted: the first that holds the target is the topmost.
    const top = writable.find((above) => above.target !== target && isWithin(target, above.target));
    if (top === undefined) continue;
    const names = target.slice(top.target.length).split('/').slice(1, -1);
    for (const [depth] of names.entries()) {
      const rest = `/${names.slice(0, depth + 1).join('/')}`;
      const [source, at] = [`${top.source}${rest}`, `${top.target}${rest}`];
      if (byTarget.has(at)) continue;
      byTarget.set(at, { kind: 'bind', source, target: at, access: 'write', pin: true });
    }
  }
  return byTarget.size === late.length ? late : sorted([...byTarget.values()]);
}

/** Parents first: a prefix sorts before what lies below it. */
export const sorted = (mounts: Bound[]): readonly Bound[] =>
  mounts.sort((a, b) => (a.target < b.target ? -1 : 1));
