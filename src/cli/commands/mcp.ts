/** `caisson mcp`. */
import { readFileSync, statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Caisson } from '../../compose.ts';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import { parseCount, parseDuration } from '../../core/units.ts';
import { version } from '../../core/version.ts';
import type { BearerTokens } from '../../mcp/http/bearer-tokens.ts';
import { type MakeSandbox, managedBy, unmanaged } from '../../mcp/mcp-sandbox.ts';
import { DEFAULT_LIMITS, type McpSetup } from '../../mcp/mcp-setup.ts';
import { NetworkRuleBook, parseNetworkRules } from '../../mcp/network-rule-book.ts';
import { SandboxPlaces } from '../../mcp/sandbox-places.ts';
import { serveStdio } from '../../mcp/serve-stdio.ts';
import type { AuditLog } from '../../observe/audit/audit-log.ts';
import { callerEnvironment } from '../caller-environment.ts';
import type { Action, FlagValues } from '../command.ts';
import { CommandTelemetry, tracedBy } from '../command-telemetry.ts';
import { environmentOf } from '../environment.ts';
import { holdPolicyFiles } from '../hold-policy-files.ts';
import type { McpFlags } from '../mcp-flags.ts';
import { whyCommandsAreRefused } from '../mcp-refusals.ts';
import { acceptedOf, placeOf } from '../place.ts';
import { secretValues } from '../secret-values.ts';
import { writeAll } from '../write-all.ts';

type Values = FlagValues<McpFlags>;

/** Read once, and given to no guest. */
const TOKEN_VARIABLE = 'CAISSON_MCP_TOKEN';
const MAKES_POLICY = new Set(['policy', 'profile', 'level', 'srt-settings']);
const TO_A_PERSON =
  'caisson: this is a server that an agent starts, and speaks to over stdin; Ctrl-C ends it (docs/mcp.md)\n';
/** The state directory cannot be written, or is not to be trusted. */
const UNWRITABLE: ReadonlySet<string> = new Set([
  'STORE_UNUSABLE',
  'PATH_ESCAPES',
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOENT',
  'ENOTDIR',
  'ENOSPC',
  'EDQUOT',
]);
const FILE_MAX = 1024 * 1024;

export const action: Action<McpFlags> = async ({ flags }) => {
  const tokens = await tokensOf(flags);
  requireHttp(flags);
  const tls = tlsOf(flags);
  const network = { person: flags.ask === true, rules: await rulesOf(flags) };
  const { policy, workspace } = await heldPlace(flags);
  const places = new SandboxPlaces({
    policy,
    mayAsk: network.person || network.rules.allowsAny,
    ...(workspace === undefined ? {} : { workspace }),
  });
  using secrets = secretValues(policy);
  const stop = stopSignal();
  await using audit = flags.audit === undefined ? undefined : await openAudit(flags.audit);
  await using telemetry = await CommandTelemetry.open(flags);
  await using caisson = await Caisson.open({
    ...tracedBy(telemetry).open,
    environment: callerEnvironment([TOKEN_VARIABLE, ...secrets.names]),
    ...(audit === undefined ? {} : { audit }),
  });
  const setup: McpSetup = {
    caisson,
    makeSandbox: sandboxesOf(caisson),
    version,
    places,
    network,
    accept: acceptedOf(flags),
    secrets: secrets.values,
    environment: environmentOf(flags),
    mayApply: flags['allow-apply'] === true,
    limits: {
      sandboxes: parseCount(flags['max-sandboxes'] ?? DEFAULT_LIMITS.sandboxes),
      idleMs: flags.idle === undefined ? DEFAULT_LIMITS.idleMs : parseDuration(flags.idle),
    },
    ...(audit === undefined ? {} : { recorder: audit }),
  };
  // An agent that is starting waits for none of it; stdout is the protocol's.
  const told = whyCommandsAreRefused(setup).then((lines) => writeAll(2, lines));
  if (flags.http === undefined) {
    if (isatty(0)) await writeAll(2, TO_A_PERSON);
    await serveStdio(setup, stop);
  } else await serveHttp(setup, flags, tokens, tls, stop);
  await told;
  // Its stdout belonged to the client: --json has its document when that is gone.
  return { exit: 0, document: {} };
};

/**
 * Each session is bounded by itself: the manager is there to be seen by, and holds nothing back. Opened when the first
 * sandbox is wanted: an agent that is starting waits for none of it.
 */
function sandboxesOf(caisson: Caisson): MakeSandbox {
  let made: Promise<MakeSandbox> | undefined;
  return async (place, name) => {
    made ??= withManager(caisson).catch((error) => {
      // What was missing then may be there for the next one.
      made = undefined;
      throw error;
    });
    return await (await made)(place, name);
  };
}

async function withManager(caisson: Caisson): Promise<MakeSandbox> {
  try {
    return managedBy(await caisson.manager({ pool: { concurrency: null, memoryBytes: null } }));
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (!UNWRITABLE.has(code)) throw error;
    await writeAll(2, `caisson: its sandboxes are not in caisson ps: ${message}\n`);
    return unmanaged(caisson);
  }
}

async function serveHttp(
  setup: McpSetup,
  flags: Values,
  tokens: BearerTokens | undefined,
  tls: Pair | undefined,
  stop: AbortSignal,
): Promise<void> {
  const { HttpServer } = await import('../../mcp/http/serve-http.ts');
  const { parseListenAddress } = await import('../../mcp/http/listen-address.ts');
  await using server = await HttpServer.listen({
    setup,
    address: parseListenAddress(flags.http ?? ''),
    hosts: flags['allow-host'] ?? [],
    origins: flags['allow-origin'] ?? [],
    insecure: flags.insecure === true,
    ...(tls === undefined ? {} : { tls }),
    ...(tokens === undefined ? {} : { tokens }),
  });
  const open = tokens === undefined ? ', open to every program of this machine' : '';
  await writeAll(2, `caisson: MCP at ${server.url}${open}\n`);
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The person's policy; a workspace only where they named one. */
async function heldPlace(flags: Values): Promise<Awaited<ReturnType<typeof placeOf>>> {
  const isPlain = !Object.keys(flags).some((name) => MAKES_POLICY.has(name));
  const named = flags.workspace !== undefined && flags.workspace !== 'none';
  const files: string[] = [];
  const asked = await placeOf(
    { ...flags, ...(isPlain && named ? { profile: 'agent' } : {}) },
    undefined,
    (path) => files.push(path),
  );
  const { workspace, policy, ...rest } = asked;
  const held = holdPolicyFiles(policy, workspace, files);
  return { ...rest, policy: held, ...(named && workspace !== undefined ? { workspace } : {}) };
}

async function rulesOf(flags: Values): Promise<NetworkRuleBook> {
  const allow = flags['allow-ask'] ?? [];
  const file = flags['ask-rules'];
  if (file === undefined) return new NetworkRuleBook(allow);
  return await parseNetworkRules(readSmall(file), file, allow);
}

async function tokensOf(flags: Values): Promise<BearerTokens | undefined> {
  const file = flags['token-file'];
  const value = process.env[TOKEN_VARIABLE];
  delete process.env[TOKEN_VARIABLE];
  if (flags.http === undefined || (file === undefined && value === undefined)) return undefined;
  const { BearerTokens } = await import('../../mcp/http/bearer-tokens.ts');
  if (file === undefined) {
    return new BearerTokens([{ subject: 'default', token: (value ?? '').trim() }]);
  }
  requireOwn(file);
  const text = readSmall(file);
  try {
    return BearerTokens.parse(text);
  } catch (error) {
    throw isCaissonError(error) ? of(file, error) : error;
  }
}

interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** @throws CONFIG_INVALID */
function tlsOf({ 'tls-cert': cert, 'tls-key': key }: Values): Pair | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: 'TLS needs a certificate and its key',
      hint: 'give --tls-cert FILE and --tls-key FILE',
    });
  }
  requireOwn(key);
  return { cert: Buffer.from(readSmall(cert)), key: Buffer.from(readSmall(key)) };
}

/** @throws CONFIG_INVALID for a secret that others may read */
function requireOwn(file: string): void {
  const { mode } = statSync(file, { throwIfNoEntry: false }) ?? { mode: 0 };
  if ((mode & 0o077) === 0) return;
  throw new CaissonError('CONFIG_INVALID', {
    layer: 'cli',
    message: `${file} can be read by others`,
    hint: `chmod 600 ${file}`,
  });
}

function readSmall(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > FILE_MAX) throw new Error('it is too large');
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw new CaissonError('CONFIG_INVALID', {
      layer: 'cli',
      message: `${file} cannot be read: ${READING[code] ?? message}`,
      hint: code === 'EACCES' ? 'give it to the user that runs this' : 'correct its path',
    });
  }
}

const READING: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'this user may not',
};

/** What is wrong, and in which file. */
function of(file: string, { code, layer, message, hint }: CaissonError): CaissonError {
  return new CaissonError(code, {
    layer,
    message: `${file}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What says something of HTTP alone is a mistake without it. */
function requireHttp(flags: Values): void {
  if (flags.http !== undefined) return;
  const names = [
    'token-file',
    'tls-cert',
    'tls-key',
    'insecure',
    'allow-host',
    'allow-origin',
  ] as const;
  const given = names.find((name) => flags[name] !== undefined);
  if (given === undefined) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `--${given} is for --http`,
    hint: 'add --http 127.0.0.1:8641, or leave it out',
  });
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort());
  }
  return stop.signal;
}

async function openAudit(directory: string): Promise<AuditLog> {
  const { AuditLog } = await import('../../observe/audit/audit-log.ts');
  return await AuditLog.open({ directory });
}
