/** `caisson config check`. */
import { configInvalid } from '../../server/config/config.ts';
import { configFileProblems } from '../../server/config/config-files.ts';
import { loadConfig } from '../../server/config/load-config.ts';
import type { Action } from '../command.ts';
import { configFlagsOf, type serveFlags } from '../serve-commands.ts';

export const action: Action<typeof serveFlags> = async ({ flags }) => {
  const { config, file } = await loadConfig({
    ...(flags.config === undefined ? {} : { file: flags.config }),
    environment: process.env,
    ...configFlagsOf(flags),
  });
  const problems = await configFileProblems(config);
  if (problems.length > 0) throw configInvalid(problems);
  return {
    exit: 0,
    document: { valid: true, ...(file === undefined ? {} : { file }) },
    text: `${file ?? 'the configuration'}: valid\n`,
  };
};
