/** `caisson module run`. */
import { buffer } from 'node:stream/consumers';
import { CaissonError } from '../../core/error.ts';
import type { ModuleExecution } from '../../modules/loaded-module.ts';
import type { Action, Report } from '../command.ts';
import { environmentOf } from '../environment.ts';
import { holdPolicyFiles } from '../hold-policy-files.ts';
import type { moduleRunFlags } from '../module-commands.ts';
import { acceptedOf, placeOf } from '../place.ts';
import { report } from '../report-outcome.ts';
import { toJson } from '../to-json.ts';
import { withModules } from '../with-modules.ts';
import { writeAll } from '../write-all.ts';

export const action: Action<typeof moduleRunFlags> = async ({ flags, positionals, argv, json }) => {
  const [reference = ''] = positionals;
  const given = (flags.input ?? []).map(parsedInput);
  if (given.length > 0 && argv.length > 0) {
    throw invalid('--input and words are both given', 'words are for commands, --input for others');
  }
  if (Object.keys(environmentOf(flags)).length > 0) {
    throw invalid('a module has no variables of its own', 'leave --env NAME=VALUE out');
  }
  const args = argv.length > 0 ? [...argv] : given;
  const input = flags.stdin === true ? await buffer(process.stdin) : undefined;
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interrupt.abort());
  }
  const files: string[] = [];
  const asked = await placeOf(flags, undefined, (path) => files.push(path));
  const policy = holdPolicyFiles(asked.policy, asked.workspace, files);
  const place = { ...asked, policy, accept: acceptedOf(flags) };
  return await withModules(
    { ...place, store: flags.store, trust: flags.trust },
    async (modules) => {
      const execution = await modules.execute(reference, {
        args,
        signal: interrupt.signal,
        ...(input === undefined ? {} : { input }),
        ...(flags.export === undefined ? {} : { export: flags.export }),
      });
      return await told(execution, json);
    },
  );
};

/** The guest's streams to ours, then what it threw or its value. */
async function told(execution: ModuleExecution, json: boolean): Promise<Report> {
  const { stdout, stderr, error, value } = execution;
  const reported = report({ outcome: execution });
  const text = value === undefined ? undefined : jsonOf(value);
  if (json) return reported;
  await writeAll(1, stdout.bytes);
  await writeAll(2, stderr.bytes);
  if (error !== undefined) {
    const said = `${error.name}: ${error.message}`;
    await writeAll(2, `${error.stack?.includes(error.message) === true ? error.stack : said}\n`);
  }
  return { ...reported, ...(text === undefined ? {} : { text }) };
}

function jsonOf(value: unknown): string {
  try {
    return toJson(value);
  } catch (cause) {
    throw new CaissonError('GUEST_FAILED', {
      layer: 'cli',
      message: 'the value of the module cannot be shown as JSON',
      hint: 'use the library, or let it return what JSON can say',
      cause,
    });
  }
}

function parsedInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(
      `the input is no JSON: ${(cause as Error).message}`,
      'a text is written with its quotes: --input \'"text"\'',
    );
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
