/** A caller that has a secret for one run. It is told over IPC in which form it hands it over. */
import { readSync } from 'node:fs';
import { Caisson } from '../../src/compose.ts';
import { plainMemory } from '../../src/launcher/vault-channel.ts';

const FD = 4;
const LENGTH = 40;
const policy = {
  version: 1 as const,
  network: {
    mode: 'filtered' as const,
    allow: ['one.test'],
    intercept: true,
    secrets: { API_TOKEN: { hosts: ['one.test'] } },
  },
};

process.on('message', async ({ form }: { form: 'bytes' | 'string' }) => {
  const bytes = plainMemory(LENGTH);
  readSync(FD, bytes);
  const API_TOKEN = form === 'bytes' ? bytes : bytes.toString();
  const caisson = await Caisson.open({ stateDirectory: process.argv[2] as string });
  const { stdout } = await caisson.run(['sh', '-c', 'echo "$API_TOKEN"; env'], {
    policy,
    secrets: { API_TOKEN },
  });
  await using sandbox = await caisson.create({ policy, secrets: { API_TOKEN } });
  await sandbox.exec(['true']);
  await sandbox.close();
  await caisson.close();
  bytes.fill(0);
  // The string is kept in use, so that it is not by chance that it is found.
  process.send?.({ stdout: stdout.text, kept: typeof API_TOKEN === 'string' });
  process.once('disconnect', () => process.exit(API_TOKEN.length > 0 ? 0 : 1));
});
