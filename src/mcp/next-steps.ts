/**
 * What a model can do where something was refused, or what it can ask for. Said only of what it really can: a tool that
 * this server has, or a person who would have to start it otherwise.
 */
import type { ErrorCode } from '../core/error.ts';
import type { Outcome, Violation } from '../core/outcome.ts';
import { parseDestination } from '../policy/destination.ts';
import type { Limits, Policy } from '../policy/policy.ts';
import { type McpSetup, mayAsk } from './mcp-setup.ts';

const STEPS_MAX = 8;
/** Of each stream, characters at its end. */
const TAIL = 8192;
const LOOKS_LIKE_NETWORK =
  /could ?n.t resolve|could not resolve|name resolution|getaddrinfo|EAI_AGAIN|ENOTFOUND|ENETUNREACH|network is unreachable|no route to host/i;

export interface RanIn {
  readonly policy: Policy;
  /** An evaluation: it has neither files nor network, and misses none. */
  readonly isEngine?: true;
  /** Id of the kept sandbox; undefined: it is gone. */
  readonly sandbox: string | undefined;
  readonly setup: McpSetup;
}

export function nextAfterOutcome(
  outcome: Pick<Outcome, 'kind' | 'code' | 'violations' | 'limitsHit' | 'stdout' | 'stderr'>,
  ranIn: RanIn,
): string[] {
  const { violations, limitsHit } = outcome;
  const steps = [
    ...violations.flatMap((violation) => afterViolation(violation, ranIn)),
    ...limitsHit.flatMap((limit) => afterLimit(limit, ranIn.policy.limits)),
  ];
  const { kind, code, stdout, stderr } = outcome;
  const failed = kind !== 'exited' || code !== 0;
  // Without a network nothing sees what was tried: the guest's own complaint is the only sign.
  const complains =
    failed && [stdout, stderr].some(({ text }) => LOOKS_LIKE_NETWORK.test(text.slice(-TAIL)));
  if (complains && steps.length === 0 && !ranIn.isEngine && ranIn.policy.network.mode === 'none') {
    steps.push(
      `This sandbox has no network at all. If that is what failed: ${personForNetwork(ranIn.setup)}`,
    );
  }
  return [...new Set(steps)].slice(0, STEPS_MAX);
}

function afterViolation(violation: Violation, ranIn: RanIn): string[] {
  if (violation.kind === 'network') return afterNetwork(violation, ranIn);
  if (violation.kind === 'file') {
    return [
      'Files beyond the policy cannot be asked for; explain_policy says what can be read and written.',
    ];
  }
  if (violation.kind === 'syscall') {
    return [
      'This system call is never allowed here and cannot be asked for: do it in another way.',
    ];
  }
  return [];
}

function afterNetwork({ target, rule, details }: Violation, { sandbox, setup }: RanIn): string[] {
  const place = destinationOf(target, details);
  if (place === undefined || rule?.startsWith('network.deny') === true) return [];
  const { host, port } = place;
  // A name that was not even looked up says no port.
  const guess = place.isGuess ? ' (443 is a guess: give the port that it connects to)' : '';
  const refused = `Network to ${host}:${port} was refused${guess}.`;
  if (!mayAsk(setup)) return [`${refused} ${personForNetwork(setup)}`];
  if (sandbox === undefined) {
    return [
      `${refused} If it is needed: open_sandbox, then request_network with its id, ${asked(host, port)}, and run it there.`,
    ];
  }
  const words = `{"sandbox": ${JSON.stringify(sandbox)}, ${asked(host, port)}, "reason": "…"}`;
  return [`${refused} If it is needed, call request_network with ${words} and run it again.`];
}

function asked(host: string, port: number): string {
  return `"host": ${JSON.stringify(host)}, "port": ${port}`;
}

/** Of what the guest asked for only what is a host and a port. */
function destinationOf(
  target: string | undefined,
  details: Violation['details'],
): { host: string; port: number; isGuess: boolean } | undefined {
  if (target === undefined || target.length > 300) return undefined;
  const [, host = '', port] = /^\[?([^\]]*?)\]?(?::(\d{1,5}))?(?:\/tcp)?$/.exec(target) ?? [];
  if (details.kind === 'packet') return undefined;
  const number = port === undefined ? 443 : Number(port);
  try {
    parseDestination(host.includes(':') ? `[${host}]:${number}` : `${host}:${number}`);
    return { host, port: number, isGuess: port === undefined };
  } catch {
    return undefined;
  }
}

function personForNetwork(setup: McpSetup): string {
  return mayAsk(setup)
    ? 'open_sandbox, then request_network says what is needed.'
    : 'This server takes no requests for network: tell the person that they can start it with --net HOST, or with --ask.';
}

function afterLimit(limit: Outcome['limitsHit'][number], limits: Limits): string[] {
  const per = (value: number | null, unit: string): string =>
    value === null ? '' : ` The policy allows ${value} ${unit}; no call can raise that.`;
  switch (limit) {
    case 'wall-time':
      return [
        `It ran out of time: do it in smaller pieces, or give a longer timeout_ms.${per(limits.wallMs, 'ms')}`,
      ];
    case 'cpu-time':
      return [`It ran out of CPU time: do it in smaller pieces.${per(limits.cpuMs, 'ms')}`];
    case 'memory':
      return [
        `It ran out of memory: use less, or leave memory_mb out.${per(limits.memoryBytes, 'bytes')}`,
      ];
    case 'processes':
      return [
        `It had too many processes: start fewer at a time.${per(limits.processes, 'of them')}`,
      ];
    case 'output':
      return [
        'It wrote more than is kept: write it into a file of a kept sandbox, and read parts with read_file.',
      ];
    case 'file-size':
      return [`A file was too large.${per(limits.fileSizeBytes, 'bytes')}`];
    case 'fuel':
      return ['It ran out of fuel: do less in one call.'];
  }
}

/** By code: what a model can do about an error. */
export function nextAfterError(
  code: ErrorCode,
  details: Readonly<Record<string, unknown>>,
): string[] {
  const missing = details.errno === 'ENOENT';
  if (details.engine === true) {
    return ['open_sandbox, then run_code with its id as `sandbox`: the node inside runs it.'];
  }
  switch (code) {
    case 'COMMAND_NOT_FOUND':
      return [
        'run_command with {"argv": ["ls", "/usr/bin"]} shows what there is; take a program of those.',
      ];
    case 'COMMAND_NOT_EXECUTABLE':
      return ['Name its interpreter first, as in {"argv": ["sh", "script"]}.'];
    case 'NOT_FOUND':
      return ['list_sandboxes says which sandboxes are open.'];
    case 'SANDBOX_CLOSED':
      return ['open_sandbox opens another one; files of the closed one are gone.'];
    case 'QUOTA_EXCEEDED':
      return ['list_sandboxes, then close_sandbox for one that is not needed.'];
    case 'RATE_LIMITED':
      return ['Wait for calls that are under way, then call again.'];
    case 'CHANGES_CONFLICT':
      return ['show_changes says what is pending; apply_changes takes `only` to leave paths out.'];
    case 'FILE_FAILED':
      return missing
        ? ['list_files shows what is there.']
        : ['explain_policy says what can be read and written.'];
    case 'UNENFORCEABLE':
    case 'WALL_UNAVAILABLE':
    case 'WORKSPACE_UNSUPPORTED':
    case 'LAUNCHER_MISSING':
      return ['No call can cure that: tell the person, who can type `caisson doctor`.'];
    case 'ADMISSION_REFUSED':
      return [
        'The policy has code checked before it runs, and this was refused: do it in another way.',
      ];
    case 'RESOURCE_EXHAUSTED':
      return ['Close sandboxes that are not needed, or try again later.'];
    default:
      return [];
  }
}
