/** What a path is, and which profile its code is looked at by, unless the caller says one. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import { isArchiveName } from '../archive/open-archive.ts';
import type { ThreatProfile } from '../threat/profiles.ts';
import type { ScanRoot } from './report.ts';

const MANIFESTS = ['package.json', 'pyproject.toml', 'setup.py', 'setup.cfg', 'node_modules'];

/** @throws PATH_MISSING, REQUEST_INVALID for what is neither file nor directory */
export function scanRoot(
  path: string,
  asked: ThreatProfile | undefined,
): ScanRoot & { real: string } {
  let real: string;
  try {
    // The caller names it: this one link is followed.
    real = realpathSync(path);
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'admission',
      message: `${JSON.stringify(path)} cannot be scanned: it is not there`,
      cause,
    });
  }
  const stat = statSync(real);
  if (!stat.isFile() && !stat.isDirectory()) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'admission',
      message: `${JSON.stringify(path)} cannot be scanned: it is neither a file nor a directory`,
    });
  }
  const kind = stat.isDirectory() ? 'directory' : isArchiveName(real) ? 'archive' : 'file';
  return { path, real, kind, ...profileOf(kind, real, asked) };
}

function profileOf(
  kind: ScanRoot['kind'],
  path: string,
  asked: ThreatProfile | undefined,
): Pick<ScanRoot, 'profile' | 'because'> {
  if (asked !== undefined) return { profile: asked, because: 'it was asked for' };
  if (kind === 'archive') return { profile: 'package', because: 'an archive' };
  if (kind === 'directory') {
    const name = basename(path);
    if (name === 'node_modules' || name === 'site-packages' || name === 'dist-packages') {
      return { profile: 'package', because: `a directory of packages, ${name}` };
    }
    const found = MANIFESTS.find((each) => existsSync(join(path, each)));
    if (found !== undefined) return { profile: 'package', because: `it has ${found}` };
  }
  return { profile: 'effect', because: 'no package: code of its own, which declares nothing' };
}
