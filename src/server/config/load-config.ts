/**
 * The configuration from everywhere: file, environment, flags, each over the one before, and of each value where it is from.
 */

import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { safeParse } from '../../core/safe-parse.ts';
import type { Locate, Place, Problem } from '../../policy/problems.ts';
import { suggest } from '../../policy/suggest.ts';
import { readYaml } from '../../policy/yaml-source.ts';
import { type Config, configInvalid, configProblems, parsed } from './config.ts';
import { type ConfigKey, configKey, configKeys } from './config-keys.ts';
import { jsonComment } from './json-comment.ts';

export interface ConfigRequest {
  /** YAML or JSON. Default: what `CAISSON_CONFIG` names; without that, none. */
  readonly file?: string;
  /** `CAISSON_…` of it counts; one that is empty is not there. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By key, such as `listen.port`. */
  readonly flags?: Readonly<Record<string, string | boolean>>;
  /** By key, the flag that said it, such as `--port`. Default: `--set KEY`. */
  readonly spelled?: Readonly<Record<string, string>>;
}

export interface ConfigSource {
  readonly from: 'default' | 'file' | 'environment' | 'flag';
  /** `/etc/caisson/config.yaml:3`, `CAISSON_LISTEN_PORT`, `--port`, `--set limits.maxStreams`. Absent for a default. */
  readonly where?: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Absolute. */
  readonly file?: string;
  /** By key, for every key. */
  readonly sources: ReadonlyMap<string, ConfigSource>;
}

const LARGEST = 1024 * 1024;

/** Variables of the programs that are no configuration of the service. */
const OTHERS: ReadonlySet<string> = new Set([
  'CAISSON_API_KEY',
  'CAISSON_CONFIG',
  'CAISSON_KEY_PASSPHRASE',
  'CAISSON_MCP_TOKEN',
  'CAISSON_SOCKET',
  'CAISSON_URL',
]);
const OF_OUR_TESTS = /^CAISSON_(TEST|FUZZ|GUEST|KILL|LIGHT|LOG|TAMPERINGS|BUILD|ABLATE)(_|$)/;

/**
 * @throws CONFIG_INVALID, with every problem of every source in `details.problems`
 * @example (await loadConfig({ environment: { CAISSON_LISTEN_PORT: '0' } })).config.listen.port // 0
 */
export async function loadConfig(request: ConfigRequest): Promise<LoadedConfig> {
  const { environment, flags = {}, spelled = {} } = request;
  const named = request.file ?? (environment.CAISSON_CONFIG || undefined);
  const file = named === undefined ? undefined : await readConfigFile(resolve(named));
  const value: Record<string, unknown> = structuredClone(file?.value ?? {});
  const said = new Map<string, ConfigSource & { readonly from: 'environment' | 'flag' }>();
  const problems: Problem[] = [];

  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('CAISSON_') || text === undefined || text === '') continue;
    const key = configKeys.find((each) => each.variable === variable);
    if (key !== undefined) {
      put(value, key, givenValue(key, text, variable, problems));
      said.set(key.name, { from: 'environment', where: variable });
    } else if (!OTHERS.has(variable) && !OF_OUR_TESTS.test(variable)) {
      const near = suggest(
        variable,
        configKeys.map((each) => each.variable),
      );
      problems.push({
        path: '',
        source: variable,
        message: 'no variable of the configuration',
        ...(near === undefined ? {} : { suggestion: `did you mean ${near}?` }),
      });
    }
  }
  for (const [name, given] of Object.entries(flags)) {
    const key = configKey(name);
    const where = spelled[name] ?? `--set ${name}`;
    if (key === undefined) {
      const near = suggest(
        name,
        configKeys.map((each) => each.name),
      );
      problems.push({
        path: name,
        source: '--set',
        message: 'unknown key',
        ...(near === undefined ? {} : { suggestion: `did you mean ${near}?` }),
      });
      continue;
    }
    put(value, key, typeof given === 'boolean' ? given : givenValue(key, given, where, problems));
    said.set(key.name, { from: 'flag', where });
  }

  const locate: Locate = (path, part) => {
    const over = [...said.keys()].some((name) => startsWith(path.map(String), name.split('.')));
    return over ? undefined : file?.locate(path, part);
  };
  const found = parsed(value, locate);
  problems.push(...('problems' in found ? found.problems : configProblems(found.config, locate)));
  if (problems.length > 0 || !('config' in found)) {
    if (file !== undefined) requireNoComments(file.text, file.path);
    throw configInvalid(problems.map((problem) => withSource(problem, said, file?.path)));
  }
  return {
    config: found.config,
    ...(file === undefined ? {} : { file: file.path }),
    sources: new Map(configKeys.map((key) => [key.name, sourceOf(key, said, file)])),
  };
}

interface ConfigFile {
  readonly path: string;
  readonly text: string;
  readonly value: Record<string, unknown>;
  readonly locate: Locate;
}

async function readConfigFile(path: string): Promise<ConfigFile> {
  const fail = (message: string, place?: Place) =>
    configInvalid([{ path: '', source: path, ...place, message }]);
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LARGEST) throw fail(`larger than a configuration may be (${LARGEST} bytes)`);
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'CONFIG_INVALID') throw error;
    throw fail(UNREADABLE[String(code)] ?? `cannot be read: ${code}`);
  }
  const { value, locate, problems } = readYaml(text, path);
  if (problems.length > 0) {
    requireNoComments(text, path);
    throw configInvalid(problems);
  }
  if (value === null) return { path, text, value: {}, locate };
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw fail('a configuration is a group of keys', locate([], 'value'));
  }
  return { path, text, value: value as Record<string, unknown>, locate };
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EISDIR: 'a directory, and no file',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'not UTF-8',
};

/** What is wrong otherwise comes of it. @throws CONFIG_INVALID */
function requireNoComments(text: string, source: string): void {
  const place = jsonComment(text);
  if (place === undefined) return;
  const message = 'JSON has no comments';
  const suggestion = 'take it out, or begin it with #, as in YAML, which is taken too';
  throw configInvalid([{ path: '', source, ...place, message, suggestion }]);
}

/** A variable or flag as a file would have it. */
function givenValue(key: ConfigKey, text: string, source: string, problems: Problem[]): unknown {
  if (text === 'null') return null;
  if (!key.isStructured) return text;
  if (!/^\s*[[{]/.test(text)) {
    return safeParse(key.schema, []).success ? text.split(',').map((each) => each.trim()) : text;
  }
  const read = readYaml(text, source);
  problems.push(...read.problems);
  return read.value;
}

function put(value: Record<string, unknown>, { path }: ConfigKey, given: unknown): void {
  let at = value;
  for (const step of path.slice(0, -1)) {
    const inner = at[step];
    // What stands there instead of a section is found fault with as it is.
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) at[step] = {};
    at = at[step] as Record<string, unknown>;
  }
  at[path.at(-1) as string] = given;
}

function withSource(
  problem: Problem,
  said: ReadonlyMap<string, ConfigSource>,
  file: string | undefined,
): Problem {
  if (problem.source !== undefined) return problem;
  const steps = problem.path.split(/[.[]/);
  const over = [...said].find(([name]) => startsWith(steps, name.split('.')));
  const source = over?.[1].where ?? (problem.line === undefined ? undefined : file);
  return source === undefined ? problem : { source, ...problem };
}

function startsWith(path: readonly string[], prefix: readonly string[]): boolean {
  return prefix.every((step, i) => path[i] === step);
}

function sourceOf(
  { name, path }: ConfigKey,
  said: ReadonlyMap<string, ConfigSource>,
  file: ConfigFile | undefined,
): ConfigSource {
  const over = said.get(name);
  if (over !== undefined) return over;
  let at: unknown = file?.value;
  for (const step of path) at = (at as Record<string, unknown> | undefined)?.[step];
  if (file === undefined || at === undefined) return { from: 'default' };
  const line = file.locate(path, 'key')?.line;
  return { from: 'file', where: line === undefined ? file.path : `${file.path}:${line}` };
}
