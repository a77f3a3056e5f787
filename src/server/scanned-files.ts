/** Files of a request, laid down to be scanned, and gone afterwards. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import type { ScanReport } from '../admission/scan/report.ts';
import { CaissonError } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import { openStateDirectory } from '../sandbox/state-directory.ts';

export interface ScannedFiles extends AsyncDisposable {
  readonly directory: string;
  /** The report, with paths as the request had them. */
  named(report: ScanReport): ScanReport;
}

/** @throws REQUEST_INVALID for a path that is none */
export async function scannedFiles(
  state: string,
  files: Readonly<Record<string, string | { readonly base64: string }>>,
): Promise<ScannedFiles> {
  const directory = join(openStateDirectory(join(state, 'scans')), newId('workspace'));
  const paths = Object.keys(files).map(checked);
  await mkdir(directory, { mode: 0o700 });
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    for (const path of paths) {
      const file = files[path] ?? '';
      const target = join(directory, path);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const bytes = typeof file === 'string' ? file : Buffer.from(file.base64, 'base64');
      await writeFile(target, bytes, { flag: 'wx', mode: 0o600 });
    }
  } catch (cause) {
    await remove();
    throw invalid('two of the paths cannot both be', cause);
  }
  const prefix = `${directory}/`;
  const short = (path: string): string =>
    path === directory ? '.' : path.startsWith(prefix) ? path.slice(prefix.length) : path;
  return {
    directory,
    named: (report) => ({
      ...report,
      roots: report.roots.map((root) => ({ ...root, path: short(root.path) })),
      unread: report.unread.map((each) => ({ ...each, path: short(each.path) })),
      listed: report.listed.map((each) => ({
        ...each,
        path: short(each.path),
        findings: each.findings.map((finding) =>
          finding.path === undefined ? finding : { ...finding, path: short(finding.path) },
        ),
      })),
    }),
    [Symbol.asyncDispose]: remove,
  };
}

/** Relative, in its shortest form, and below. */
function checked(path: string): string {
  const parts = path.split('/');
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  const isShort = parts.every((part) => Buffer.byteLength(part) <= 255) && parts.length <= 64;
  if (isPlain && isShort && !path.includes('\0') && posix.normalize(path) === path) return path;
  throw invalid(`the path ${JSON.stringify(path)} cannot be`);
}

function invalid(message: string, cause?: unknown): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message,
    hint: 'write relative paths such as src/index.js',
    cause,
  });
}
