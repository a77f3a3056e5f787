/** The scan as the library gives it: loaded when it is called, since most programs that use the library never do. */
import type { ScanReport } from './report.ts';
import type { ScanOptions } from './scan-options.ts';

/**
 * Looks for dangerous code in files, directories and archives, and runs none of it.
 *
 * @throws PATH_MISSING, REQUEST_INVALID; STORE_UNUSABLE where `store` fails
 * @example
 * const { decision, listed } = await scan(['node_modules']);
 */
export async function scan(
  paths: readonly string[],
  options: ScanOptions = {},
): Promise<ScanReport> {
  const loaded = await import('./scan.ts');
  return await loaded.scan(paths, options);
}
