/** Writes to a log without end, and tells each record that was acknowledged: `seq hash`. Ended by a signal. */
import { AuditLog } from '../../../src/observe/audit/audit-log.ts';
import { event } from './sample-log.ts';

const [directory = '', key = ''] = process.argv.slice(2);
const log = await AuditLog.open({
  directory,
  key,
  rotate: { bytes: 300_000 },
  checkpointEvery: { records: 100, seconds: 0.05 },
});
process.stdout.write('open\n');
for (let n = 0; ; n += 50) {
  const told = await Promise.all(Array.from({ length: 50 }, (_, i) => log.append(event(n + i))));
  process.stdout.write(told.map(({ seq, hash }) => `${seq} ${hash}\n`).join(''));
}
