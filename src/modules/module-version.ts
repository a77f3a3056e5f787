/** Semantic versions (https://semver.org/spec/v2.0.0.html): how they look, and their order. */

const NUMBER = '(?:0|[1-9]\\d{0,15})';
const WORD = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
export const MODULE_VERSION = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${WORD}(?:\\.${WORD})*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

/** Precedence (section 11), then what is behind the `+`, so that no two different ones are equal. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left.release[i] ?? 0) - (right.release[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre.length === 0 || right.pre.length === 0) {
    const difference = Number(left.pre.length === 0) - Number(right.pre.length === 0);
    return difference === 0 ? compareText(a, b) : difference;
  }
  for (let i = 0; i < Math.max(left.pre.length, right.pre.length); i++) {
    const difference = compareWords(left.pre[i], right.pre[i]);
    if (difference !== 0) return difference;
  }
  return compareText(a, b);
}

/** The highest release; a pre-release only where there is nothing else. */
export function latestVersion(versions: readonly string[]): string | undefined {
  const releases = versions.filter((version) => partsOf(version).pre.length === 0);
  return [...(releases.length === 0 ? versions : releases)].sort(compareVersions).at(-1);
}

function partsOf(version: string): { release: number[]; pre: string[] } {
  const [bare = ''] = version.split('+', 1);
  const dash = bare.indexOf('-');
  const release = (dash < 0 ? bare : bare.slice(0, dash)).split('.').map(Number);
  return { release, pre: dash < 0 ? [] : bare.slice(dash + 1).split('.') };
}

function compareWords(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(b === undefined) - Number(a === undefined);
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (left && right) return Number(a) - Number(b);
  // Numbers come before words.
  return left === right ? compareText(a, b) : Number(right) - Number(left);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
