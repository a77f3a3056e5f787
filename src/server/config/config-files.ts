/**
 * What a configuration names on this host, looked at before anybody is to be served: `caisson config check`.
 */
import { constants } from 'node:fs';
import { access, lstat, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isCaissonError } from '../../core/error.ts';
import { policyFromDocument } from '../../policy/parse.ts';
import { formatPath, type Problem } from '../../policy/problems.ts';
import { ceilingPolicy } from '../security/ceilings.ts';
import type { Config } from './config-schema.ts';
import { readHeadersFile } from './headers-file.ts';
import { readPolicySetting } from './policy-setting.ts';
import { readTls } from './tls-files.ts';

type At = readonly (string | number)[];
type Look = (path: string) => Promise<string | undefined>;

/** Every path that is not there, cannot be read, or shows what it should not; every policy that is none. */
export async function configFileProblems(config: Config): Promise<Problem[]> {
  const found = await Promise.all(
    looks(config).map(async ([at, path, look]): Promise<Problem[]> => {
      const message = await look(path);
      return message === undefined
        ? []
        : [{ path: formatPath(at), message: `${path}: ${message}` }];
    }),
  );
  const missing = found.flat();
  const isTlsThere = !missing.some(({ path }) => path.startsWith('listen.tls'));
  return [
    ...missing,
    ...(isTlsThere ? await tlsProblems(config) : []),
    ...(await policyProblems(config)),
  ];
}

/** Whether certificate and key are such, and of each other. */
async function tlsProblems({ listen: { tls } }: Config): Promise<Problem[]> {
  if (tls === undefined) return [];
  try {
    await readTls(tls);
    return [];
  } catch (error) {
    if (!isCaissonError(error)) throw error;
    const [path = '', ...message] = error.message.split(': ');
    const suggestion = error.hint === undefined ? {} : { suggestion: error.hint };
    return [{ path, message: message.join(': '), ...suggestion }];
  }
}

function looks({ stateDirectory, listen, telemetry, audit, trust, signing, workspaces }: Config) {
  const all: [At, string | undefined, Look][] = [
    [['stateDirectory'], stateDirectory, own],
    [['listen', 'tls', 'certFile'], listen.tls?.certFile, readable],
    [['listen', 'tls', 'keyFile'], listen.tls?.keyFile, secret],
    [['listen', 'socketPath'], listen.socketPath && dirname(listen.socketPath), directory],
    [['telemetry', 'otlp', 'headersFile'], telemetry.otlp?.headersFile, headers],
    ...audit.anchors.map((each, i): [At, string | undefined, Look] =>
      'directory' in each
        ? [['audit', 'anchors', i, 'directory'], each.directory, directory]
        : [['audit', 'anchors', i, 'headersFile'], each.headersFile, headers],
    ),
    [['trust', 'file'], trust.file, readable],
    [['signing', 'keyFile'], signing.keyFile, secret],
    [['signing', 'passphraseFile'], signing.passphraseFile, secret],
    ...Object.entries(workspaces).map(([name, path]): [At, string, Look] => [
      ['workspaces', name],
      path,
      directory,
    ]),
  ];
  return all.flatMap(([at, path, look]) => (path === undefined ? [] : [[at, path, look] as const]));
}

async function policyProblems(config: Config): Promise<Problem[]> {
  const ceilings = [
    [['ceiling'], config.ceiling],
    [['tenantDefaults', 'ceiling'], config.tenantDefaults.ceiling],
    ...Object.entries(config.tenants).map(([name, each]) => [
      ['tenants', name, 'ceiling'],
      each.ceiling,
    ]),
  ] as [At, Config['ceiling'] | undefined][];
  const settings: [At, () => unknown][] = [
    [['policy'], () => policyOf(config.policy)],
    ...ceilings.map(([at, written]): [At, () => unknown] => [
      at,
      () => written && ceilingPolicy(written),
    ]),
  ];
  const problems: Problem[] = [];
  for (const [at, read] of settings) {
    try {
      await read();
    } catch (error) {
      if (!isCaissonError(error)) throw error;
      problems.push({ path: formatPath(at), message: error.message });
    }
  }
  return problems;
}

async function policyOf(setting: Config['policy']): Promise<void> {
  const read = await readPolicySetting(setting);
  if (typeof read === 'object') policyFromDocument(read);
}

async function readable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK);
    return (await stat(path)).isFile() ? undefined : 'not a file';
  } catch (error) {
    return reasonOf(error);
  }
}

/** A key that others of this machine can read is nobody's secret. */
async function secret(path: string): Promise<string | undefined> {
  const fault = await readable(path);
  if (fault !== undefined) return fault;
  const { mode } = await stat(path);
  return (mode & 0o077) === 0 ? undefined : `others may read it; chmod 600 ${path}`;
}

async function headers(path: string): Promise<string | undefined> {
  const fault = await secret(path);
  if (fault !== undefined) return fault;
  try {
    await readHeadersFile(path);
    return undefined;
  } catch (error) {
    if (isCaissonError(error)) return error.message;
    throw error;
  }
}

/** Made at the start, where it is not there. Whose it is does not show here: the service may run as another user. */
async function own(path: string): Promise<string | undefined> {
  try {
    const entry = await lstat(path);
    return entry.isDirectory() && (entry.mode & 0o077) === 0
      ? undefined
      : 'not a directory that its owner alone can use; chmod 700';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : reasonOf(error);
  }
}

async function directory(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).isDirectory() ? undefined : 'not a directory';
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'it is not there' : `cannot be read: ${code}`;
}
