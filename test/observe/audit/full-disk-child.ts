/** Fills the disk that a log is on, looks at what the log does, makes room again. In a mount namespace of its own. */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isCaissonError } from '../../../src/core/error.ts';
import { AuditLog } from '../../../src/observe/audit/audit-log.ts';
import { readPublicKey } from '../../../src/observe/audit/signing-key.ts';
import { verifyLog } from '../../../src/observe/audit/verify-log.ts';
import { event } from './sample-log.ts';

const [root = '', whenFull = 'fail'] = process.argv.slice(2);
const disk = join(root, 'disk');
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', disk]);
const [directory, key, filler] = [join(disk, 'log'), join(root, 'key'), join(disk, 'filler')];
const queue = { whenFull: whenFull as 'fail' | 'block' };
const log = await AuditLog.open({ directory, key, queue });
const code = (error: unknown): string => (isCaissonError(error) ? error.code : String(error));

fillDisk();
const waiting = Array.from({ length: 400 }, (_, n) => log.append(event(n)));
let settled = 0;
for (const promise of waiting) void promise.finally(() => settled++).catch(() => {});
/** Asked for before anybody knew that the disk is full. */
const early = Promise.race([log.written().then(() => 'told'), delay(2000, 'held')]);
while (log.status.state === 'writing') await delay(10);
const stalled = log.status.state;
let ready: string = 'waits';
const gate = log.ready().then(
  () => 'open',
  (error) => code(error),
);
void gate.then((answer) => {
  ready = answer;
});
// What was done is told all the same.
const told = Promise.race([log.written().then(() => 'told'), delay(200, 'held')]);
await delay(250);
const whileFull = { stalled, ready, settled, early: await early, told: await told };
rmSync(filler);
const written = (await Promise.allSettled(waiting)).filter(({ status }) => status === 'fulfilled');
const afterwards = { gate: await gate, ready: await log.ready().then(() => 'open', code) };
await log.close();
const { ok, records, findings } = verifyLog({ path: directory, key: readPublicKey(`${key}.pub`) });
const size = readdirSync(directory).reduce(
  (sum, name) => sum + statSync(join(directory, name)).size,
  0,
);
console.log(
  JSON.stringify({ whileFull, written: written.length, afterwards, ok, records, findings, size }),
);

function fillDisk(): void {
  for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    for (;;) {
      try {
        writeFileSync(filler, Buffer.alloc(bytes, 120), { flag: 'a' });
      } catch {
        break;
      }
    }
  }
}
