/** `caisson serve`: until a signal asks it to stop; a second one does not wait for what runs. */
import type { Config } from '../../server/config/config.ts';
import { loadConfig } from '../../server/config/load-config.ts';
import { defaultPolicyLacks } from '../../server/default-policy.ts';
import { type Serving, serve } from '../../server/serve.ts';
import type { Action } from '../command.ts';
import { asCaissonError, quoteForShell } from '../report-error.ts';
import { configFlagsOf, type serveFlags } from '../serve-commands.ts';

export const action: Action<typeof serveFlags> = async ({ flags, json }) => {
  const { config } = await loadConfig({
    ...(flags.config === undefined ? {} : { file: flags.config }),
    environment: process.env,
    ...configFlagsOf(flags),
  });
  const serving = await serve(config);
  const { address } = serving;
  // From the moment it is told of, it can be stopped.
  const asksToStop = asked();
  process.stdout.write(
    json ? `${JSON.stringify({ address, pid: process.pid })}\n` : `caisson serves at ${address}\n`,
  );
  if (!json) process.stderr.write(await whatStandsInTheWay(config, serving));
  const signal = await asksToStop;
  process.stderr.write(`caisson: ${signal}: what runs comes to its end; once more ends it now\n`);
  const stopped = serving.stop();
  asked().then(() => serving.hurry());
  await stopped;
  return { exit: 0, document: { address, stopped: signal } };
};

/** Why requests will be refused, while whoever started it still looks: lines for stderr. */
async function whatStandsInTheWay(config: Config, serving: Serving): Promise<string> {
  const lines: string[] = [];
  if (await nobodyCanAsk(config, serving)) {
    const where = config.stateDirectory;
    const flag = where === undefined ? '' : ` --state ${quoteForShell(where)}`;
    lines.push(
      `nobody has a key yet: caisson access tenants create NAME${flag}, then caisson access keys create --tenant NAME --role developer${flag}`,
    );
  }
  lines.push(...(await whatCannotRun(config, serving)));
  return lines.map((line) => `caisson: ${line}\n`).join('');
}

/** What this host lacks for a request that names no policy. */
async function whatCannotRun(config: Config, { service }: Serving): Promise<string[]> {
  try {
    // A name that is neither a level nor a profile is told as that.
    const unenforceable = await defaultPolicyLacks(service);
    if (unenforceable.length === 0) return [];
    const lacks = unenforceable.map(({ id, reason }) => `  ${id}: ${reason}`).join('\n');
    const ids = unenforceable.flatMap(({ id, acceptable }) => (acceptable === false ? [] : id));
    const isLiftable = ids.length === unenforceable.length;
    return [
      `requests that name no policy are refused on this host, which cannot enforce all of it; caisson doctor has the cures\n${lacks}`,
      ...(isLiftable && ids.some((id) => !config.accept.includes(id))
        ? [
            `to let requests go on without, where they say so, too ("accept"): --set accept=${ids.join(',')}`,
          ]
        : []),
    ];
  } catch (error) {
    return [asCaissonError(error).message];
  }
}

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
