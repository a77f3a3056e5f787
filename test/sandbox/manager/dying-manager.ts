/** Fills a manager with sandboxes and says so; killed by its test. Arguments: state directory, how many, `keep` or not. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Caisson, policyFromDocument } from '../../../src/index.ts';

const [state = '', count = '0', keep = ''] = process.argv.slice(2);
const caisson = await Caisson.open({ stateDirectory: state });
const manager = await caisson.manager({ pool: { concurrency: Number(count), memoryBytes: null } });
const policy = policyFromDocument({
  version: 1,
  name: 'dying',
  level: 'strict',
  limits: { memory: '64MiB', timeout: '10m' },
});
const options = { policy, labels: { of: 'dying' }, tenant: 'dying' };
// Half of them runs, half sandboxes in which something goes on; one of them paused. The sandboxes keep their changes aside.
const workspace = mkdtempSync(join(state, 'workspace-'));
const overlaid = policyFromDocument({
  version: 1,
  name: 'overlaid',
  level: 'strict',
  filesystem: { write: ['$workspace'], workspace: 'overlay' },
  limits: { memory: '64MiB', timeout: '10m' },
});
const kept = await Promise.all(
  Array.from({ length: Math.ceil(Number(count) / 2) }, () =>
    manager.create({ ...options, workspace, policy: overlaid }),
  ),
);
for (const sandbox of kept) sandbox.exec(['sleep', '1000']).catch(() => {});
for (let i = kept.length; i < Number(count); i++)
  manager.run(['sleep', '1000'], options).catch(() => {});
if (keep !== '') kept[0]?.keepChanges();
await kept[0]?.pause();
// One more than there is room for.
manager.run(['true'], options).catch(() => {});
while (manager.load().waiting < 1) await new Promise((resolve) => setTimeout(resolve, 5));
await new Promise((resolve) => setTimeout(resolve, 500));
process.stdout.write(`ready\n`);
setInterval(() => {}, 1000);
