/** `caisson serve`: until a signal asks it to stop; a second one does not wait for what runs. */
import { loadConfig } from '../../server/config/load-config.ts';
import { serve } from '../../server/serve.ts';
import type { Action } from '../command.ts';
import { configFlagsOf, type serveFlags } from '../serve-commands.ts';

export const action: Action<typeof serveFlags> = async ({ flags, json }) => {
  const { config } = await loadConfig({
    ...(flags.config === undefined ? {} : { file: flags.config }),
    environment: process.env,
    flags: configFlagsOf(flags),
  });
  const serving = await serve(config);
  const { address } = serving;
  process.stdout.write(
    json ? `${JSON.stringify({ address, pid: process.pid })}\n` : `caisson serves at ${address}\n`,
  );
  const signal = await asked();
  process.stderr.write(`caisson: ${signal}: what runs comes to its end; once more ends it now\n`);
  const stopped = serving.stop();
  asked().then(() => serving.hurry());
  await stopped;
  return { exit: 0, document: { address, stopped: signal } };
};

/** The next SIGTERM or SIGINT. */
function asked(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  return promise;
}
