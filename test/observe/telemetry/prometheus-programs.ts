/** Prometheus and promtool: those of the system, or what scripts/setup.sh unpacked for the tests. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const unpacked = join(import.meta.dirname, '../../../build/prometheus/usr/bin');

export const prometheus = programOf('prometheus');
export const promtool = programOf('promtool');
export const prometheusSkip =
  prometheus === undefined || promtool === undefined ? 'prometheus is not installed' : false;

function programOf(name: string): string | undefined {
  return [name, join(unpacked, name)].find(
    (program) => spawnSync(program, ['--version']).status === 0,
  );
}
