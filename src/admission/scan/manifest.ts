/**
 * What a manifest says of the files beside it: which of them are run on installation, which are code whatever their name,
 * and which capabilities it claims.
 */
import { dirname, join, normalize } from 'node:path/posix';
import { CAPABILITIES, type Capability } from '../../core/admission.ts';
import { type JsonText, textsBelow } from './json-places.ts';

export interface Manifest {
  /** Scripts that npm runs by itself, with their places in the manifest. */
  readonly installScripts: ReadonlyMap<string, JsonText>;
  /** Paths, relative to the scan's root, that Node takes for JavaScript: whatever extension they have. */
  readonly code: ReadonlySet<string>;
  /** Paths that install scripts run. */
  readonly runOnInstall: ReadonlySet<string>;
  /** Claimed in `caisson.declares`: no evidence, and used only where the caller says so. */
  readonly declares: readonly Capability[];
}

/** docs.npmjs.com, "scripts": run by `npm install` of a package, of a checkout, or of a git dependency. */
const INSTALL_SCRIPTS = new Set([
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
]);
export const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;

/** @param path of package.json below the root @returns undefined where it is no manifest */
export function readManifest(path: string, json: string): Manifest | undefined {
  const text = json.replace(/^\ufeff/, '');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(parsed)) return undefined;
  const directory = dirname(path);
  const inside = (named: unknown): string | undefined => {
    if (typeof named !== 'string' || named.includes('*')) return undefined;
    const full = normalize(join(directory, named));
    return full.startsWith('..') || full.startsWith('/') ? undefined : full;
  };
  const installScripts = new Map<string, JsonText>();
  const runOnInstall = new Set<string>();
  for (const [name, script] of textsBelow(text, ['scripts'])) {
    if (!INSTALL_SCRIPTS.has(name)) continue;
    installScripts.set(name, script);
    for (const [, file] of script.value.matchAll(
      /(?:node|python3?|sh|bash)\s+(?:-\S+\s+)*([\w./@-]+)/g,
    )) {
      const full = inside(file);
      for (const end of ['', '.js', '.cjs', '/index.js']) {
        if (full !== undefined) runOnInstall.add(`${full}${end}`);
      }
    }
  }
  const code = new Set<string>(runOnInstall);
  for (const named of [parsed.main, parsed.module, parsed.browser, parsed.bin, parsed.exports]) {
    for (const file of textsOf(named)) {
      const full = inside(file);
      if (full !== undefined) code.add(full);
    }
  }
  return { installScripts, code, runOnInstall, declares: declaredIn(parsed) };
}

function declaredIn(manifest: Record<string, unknown>): Capability[] {
  const { caisson } = manifest;
  const declares = isRecord(caisson) ? caisson.declares : undefined;
  if (!Array.isArray(declares)) return [];
  return CAPABILITIES.filter((each) => declares.includes(each));
}

/** A text, or the texts of lists and objects: `bin` and `exports` have all three forms. */
function textsOf(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (depth > 8 || typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((each) => textsOf(each, depth + 1));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
