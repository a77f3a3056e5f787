/**
 * Back from a normalised policy to a document that says everything: what `caisson policy show` prints.
 */
import { formatByteRate, formatBytes, formatDuration } from '../core/units.ts';
import { admissionDocument } from './admission-document.ts';
import { formatDestination } from './destination.ts';
import type { PolicyDocument } from './document.ts';
import { formatHttpRule } from './http-rule.ts';
import { namePatterns } from './name-set.ts';
import { WORKSPACE } from './path.ts';
import { isWithin } from './path-set.ts';
import type { Destination, Limits, NetworkPolicy, PathSet, Policy } from './policy.ts';
import { sideChannelDocument } from './side-channels.ts';

/** A document that normalises to the same policy again (same digest), nothing left to a default. */
export function documentOf(policy: Policy): PolicyDocument {
  return {
    version: 1,
    name: policy.name,
    level: policy.level,
    walls: [...policy.walls],
    ...(policy.hermetic ? { hermetic: true } : {}),
    ...(policy.onViolation === undefined ? {} : { onViolation: policy.onViolation }),
    ...(policy.fileRefusals === undefined ? {} : { fileRefusals: policy.fileRefusals }),
    ...sideChannelDocument(policy),
    ...admissionDocument(policy),
    filesystem: {
      read: pathTexts(policy.read),
      write: pathTexts(policy.write),
      scratch: pathTexts(policy.scratch),
      protect: [...policy.protect],
      workspace: policy.workspace.mode,
      apply: policy.workspace.apply,
      sys: policy.sys,
    },
    network: networkDocument(policy.network),
    environment: {
      pass: namePatterns(policy.environment.pass),
      set: Object.fromEntries(policy.environment.set),
    },
    syscalls: {
      preset: policy.syscalls.preset,
      allow: [...policy.syscalls.allow],
      deny: [...policy.syscalls.deny],
    },
    capabilities: {
      base: policy.capabilities.base,
      add: [...policy.capabilities.add],
      drop: [...policy.capabilities.drop],
    },
    devices: [...policy.devices],
    hostname: policy.hostname,
    limits: limitTexts(policy.limits),
  };
}

/** What a policy says under `network`. */
export function networkDocument(network: NetworkPolicy): NonNullable<PolicyDocument['network']> {
  return {
    mode: network.mode,
    allow: network.allow.map(ruleText),
    deny: network.deny.map(formatDestination),
    listen: [...network.listen],
    ...(network.intercept ? { intercept: true } : {}),
    ...(network.group === undefined ? {} : { group: network.group }),
    ...(network.secrets === undefined
      ? {}
      : {
          secrets: Object.fromEntries(
            network.secrets.map(({ name, hosts }) => [name, { hosts: [...hosts] }]),
          ),
        }),
  };
}

function ruleText(rule: Destination): string | { host: string; http: string[] } {
  const host = formatDestination(rule);
  return rule.http === undefined ? host : { host, http: rule.http.map(formatHttpRule) };
}

/** The workspace's paths as one writes them: `.`, `src`. */
function pathTexts(set: PathSet): string[] {
  return set.rules.map(({ path, include }) => `${include ? '' : '!'}${relative(path)}`);
}

function relative(path: string): string {
  if (path === WORKSPACE) return '.';
  if (!isWithin(path, WORKSPACE)) return path;
  const inner = path.slice(WORKSPACE.length + 1);
  return /^[!~$]/.test(inner) ? `./${inner}` : inner;
}

function limitTexts(limits: Limits): NonNullable<PolicyDocument['limits']> {
  const told = <T>(value: number | null, format: (value: number) => T) =>
    value === null ? null : format(value);
  return {
    timeout: told(limits.wallMs, formatDuration),
    cpuTime: told(limits.cpuMs, formatDuration),
    cpu: told(limits.cpuMillicores, (millicores) => millicores / 1000),
    cpuWeight: limits.cpuWeight,
    memory: told(limits.memoryBytes, formatBytes),
    memoryHigh: told(limits.memoryHighBytes, formatBytes),
    processes: limits.processes,
    openFiles: limits.openFiles,
    fileSize: told(limits.fileSizeBytes, formatBytes),
    output: told(limits.outputBytes, formatBytes),
    onOutputLimit: limits.onOutputLimit,
    scratch: told(limits.scratchBytes, formatBytes),
    readRate: told(limits.readBytesPerSecond, formatByteRate),
    writeRate: told(limits.writeBytesPerSecond, formatByteRate),
    core: told(limits.coreBytes, (bytes) => (bytes === 0 ? 0 : formatBytes(bytes))),
    stack: told(limits.stackBytes, formatBytes),
  };
}
