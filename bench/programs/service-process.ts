/** A service in a process of its own: prints its address and a key, and ends with its stdin. */
import { parseConfig } from '../../src/server/config/config.ts';
import { serve } from '../../src/server/serve.ts';

const [stateDirectory = '', audit = 'false', more = '{}'] = process.argv.slice(2);
const serving = await serve(
  parseConfig({
    stateDirectory,
    listen: { port: 0 },
    audit: { enabled: audit === 'true' },
    tenants: { bench: {} },
    ...JSON.parse(more),
  }),
);
const { token } = await serving.service.security.keys.create({
  tenant: 'bench',
  name: 'bench',
  roles: ['developer'],
  scopes: [],
  by: 'bench',
});
process.stdout.write(`${JSON.stringify({ address: serving.address, key: token })}\n`);
process.stdin.resume();
process.stdin.once('end', async () => {
  await serving.stop(0);
});
