/** `caisson serve`: until a signal asks it to stop; a second one does not wait for what runs. */
import type { Config } from '../../server/config/config.ts';
import { loadConfig } from '../../server/config/load-config.ts';
import { type Serving, serve } from '../../server/serve.ts';
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
  // From the moment it is told of, it can be stopped.
  const asksToStop = asked();
  process.stdout.write(
    json ? `${JSON.stringify({ address, pid: process.pid })}\n` : `caisson serves at ${address}\n`,
  );
  if (!json && (await nobodyCanAsk(config, serving))) {
    process.stderr.write(
      'caisson: nobody has a key yet: caisson access tenants create NAME, then caisson access keys create --tenant NAME --role developer\n',
    );
  }
  const signal = await asksToStop;
  process.stderr.write(`caisson: ${signal}: what runs comes to its end; once more ends it now\n`);
  const stopped = serving.stop();
  asked().then(() => serving.hurry());
  await stopped;
  return { exit: 0, document: { address, stopped: signal } };
};

async function nobodyCanAsk({ auth }: Config, { service }: Serving): Promise<boolean> {
  if (auth.anonymous || auth.oidc.length > 0) return false;
  const keys = await service.security.keys.list();
  return !keys.some(({ state }) => state === 'valid');
}

/** The next SIGTERM or SIGINT. */
function asked(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  return promise;
}
