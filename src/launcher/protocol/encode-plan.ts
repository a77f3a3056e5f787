/**
 * A plan as bytes (protocol/PROTOCOL.md, "Plan" and "Mount"); read in C by native/launcher/plan.c.
 *
 *   "CAISPLAN" · u32 version · u32 length of the record · record
 */
import type {
  CapabilityPlan,
  CgroupPlan,
  KindPlan,
  LandlockPathRule,
  LandlockPlan,
  Mount,
  MountFlag,
  Namespace,
  NetworkSetup,
  NotifiedCall,
  Rlimit,
  RunLimits,
  SideChannelControl,
} from '../../plan/plan.ts';
import { FieldWriter } from './fields.ts';

export const PLAN_VERSION = 1;
const PLAN_HEADER = 16;

/** clone(2) */
const namespaceBits: Readonly<Record<Namespace, number>> = {
  user: 0x1000_0000,
  mount: 0x2_0000,
  pid: 0x2000_0000,
  net: 0x4000_0000,
  ipc: 0x0800_0000,
  uts: 0x0400_0000,
  cgroup: 0x0200_0000,
};

const mountKinds: Readonly<Record<Mount['kind'], number>> = {
  bind: 1,
  tmpfs: 2,
  proc: 3,
  devpts: 4,
  mqueue: 5,
  sysfs: 6,
  directory: 7,
  file: 8,
  symlink: 9,
  device: 10,
  mask: 11,
  overlay: 12,
  readonly: 13,
};

const mountFlags: Readonly<Record<MountFlag, number>> = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  recursive: 16,
  idmap: 32,
  optional: 64,
  private: 128,
  nosymfollow: 256,
};

const sideChannelBits: Readonly<Record<SideChannelControl, number>> = {
  'store-bypass': 1,
  'indirect-branch': 2,
  'l1d-flush': 4,
  'core-cookie': 8,
  'no-tsc': 16,
};

const networkKinds: Readonly<Record<NetworkSetup['mode'], number>> = { filtered: 1, packets: 2 };

/**
 * Of the listener inside a filtered network. Above the range from which the guest's own sockets get their ports
 * (net.ipv4.ip_local_port_range), so that none of them can be in its way.
 */
const LISTENER_PORT = 61_000;

/** Beyond the numbers of protocols: all but TCP and UDP. */
const OTHER_PROTOCOL = 257;
const IPV4_IN_IPV6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

/** Throws PLAN_INVALID when a value does not fit its field. `defaultJob` is for `caisson-launcher run`. */
export function encodePlan(plan: KindPlan, defaultJob?: Uint8Array): Buffer {
  const writer = new FieldWriter(PLAN_HEADER, 'PLAN_INVALID', 8192);
  let namespaces = 0;
  for (const name of plan.namespaces) namespaces |= namespaceBits[name];
  writer.u32(1, namespaces >>> 0, 'namespaces');
  writer.u32(2, plan.uid, 'uid');
  writer.u32(3, plan.gid, 'gid');
  writer.str(4, plan.hostname, 'hostname');
  for (const mount of plan.mounts) writeMount(writer, 5, mount);
  if (plan.seccomp !== undefined) writer.bytes(6, plan.seccomp);
  if (plan.landlock !== undefined) writeLandlock(writer, plan.landlock);
  writeCapabilities(writer, plan.capabilities);
  for (const rlimit of plan.rlimits) writeRlimit(writer, 9, rlimit);
  if (plan.cgroup !== undefined) writeCgroup(writer, 10, plan.cgroup);
  writeLimits(writer, 11, plan.limits);
  for (const path of plan.scaffold) writer.str(12, path, 'scaffold');
  if (defaultJob !== undefined) writer.bytes(13, defaultJob);
  if (plan.network !== undefined) {
    writeNetwork(writer, 14, plan.network);
  }
  for (const call of plan.notified ?? []) writeNotified(writer, 15, call);
  writeSideChannels(writer, plan.sideChannels ?? []);
  if (plan.observed !== undefined) {
    const numbers = Buffer.alloc(4 * plan.observed.length);
    for (const [i, number] of plan.observed.entries()) numbers.writeUInt32LE(number, 4 * i);
    writer.bytes(17, numbers);
  }

  const bytes = writer.finish();
  bytes.write('CAISPLAN', 0, 'latin1');
  bytes.writeUInt32LE(PLAN_VERSION, 8);
  bytes.writeUInt32LE(bytes.length - PLAN_HEADER, 12);
  return bytes;
}

function writeNetwork(writer: FieldWriter, tag: number, network: NetworkSetup): void {
  const mark = writer.begin(tag);
  writer.u32(1, networkKinds[network.mode], 'network kind');
  if (network.mode === 'filtered') writer.u32(2, LISTENER_PORT, 'network listener port');
  for (const rule of network.packets ?? []) {
    const inner = writer.begin(3);
    writer.u32(1, rule.denies ? 2 : 1, 'packet verdict');
    writer.u32(2, rule.protocol === 'other' ? OTHER_PROTOCOL : rule.protocol, 'packet protocol');
    writer.bytes(3, Buffer.from([...IPV4_IN_IPV6, ...rule.address.split('.').map(Number)]));
    writer.u32(4, 96 + rule.prefix, 'packet block');
    if (rule.ports !== undefined) {
      writer.u32(5, rule.ports.from, 'first port');
      writer.u32(6, rule.ports.to, 'last port');
    }
    writer.end(inner);
  }
  writer.end(mark);
}

export function writeMount(writer: FieldWriter, tag: number, mount: Mount): void {
  const mark = writer.begin(tag);
  writer.u32(1, mountKinds[mount.kind], 'mount kind');
  if ('source' in mount) writer.str(2, mount.source, 'mount source');
  writer.str(3, mount.target, 'mount target');
  if ('flags' in mount && mount.flags.length > 0) {
    let flags = 0;
    for (const flag of mount.flags) flags |= mountFlags[flag];
    writer.u32(4, flags, 'mount flags');
  }
  switch (mount.kind) {
    case 'tmpfs':
      if (mount.bytes !== undefined) writer.u64(5, mount.bytes, 'tmpfs bytes');
      if (mount.inodes !== undefined) writer.u64(6, mount.inodes, 'tmpfs inodes');
      writer.u32(7, mount.mode, 'mount mode');
      break;
    case 'directory':
      writer.u32(7, mount.mode, 'mount mode');
      break;
    case 'file':
      writer.u32(7, mount.mode, 'mount mode');
      writer.bytes(8, Buffer.from(mount.content));
      break;
    case 'symlink':
      writer.bytes(8, Buffer.from(mount.to));
      break;
    case 'device':
      writer.u32(9, mount.major, 'device major');
      writer.u32(10, mount.minor, 'device minor');
      break;
    case 'overlay':
      writer.str(11, mount.upper, 'overlay upper');
      writer.str(12, mount.work, 'overlay work');
      break;
    default:
      break;
  }
  writer.end(mark);
}

function writeLandlock(writer: FieldWriter, landlock: LandlockPlan): void {
  const mark = writer.begin(7);
  writer.u32(1, landlock.abi, 'landlock abi');
  writer.u64(2, landlock.handledFs, 'landlock handled_access_fs');
  writer.u64(3, landlock.handledNet, 'landlock handled_access_net');
  writer.u64(4, landlock.scoped, 'landlock scoped');
  for (const rule of landlock.paths) writeLandlockPath(writer, 5, rule);
  for (const rule of landlock.ports) {
    const port = writer.begin(6);
    writer.u64(1, rule.access, 'landlock port access');
    writer.u64(2, rule.port, 'landlock port');
    writer.end(port);
  }
  if (landlock.log === true) writer.u32(7, 1, 'landlock log');
  writer.end(mark);
}

export function writeLandlockPath(writer: FieldWriter, tag: number, rule: LandlockPathRule): void {
  const mark = writer.begin(tag);
  writer.u64(1, rule.access, 'landlock access');
  writer.str(2, rule.path, 'landlock path');
  writer.end(mark);
}

function writeNotified(writer: FieldWriter, tag: number, call: NotifiedCall): void {
  const mark = writer.begin(tag);
  writer.u32(1, call.number, 'notified call');
  writer.u32(2, call.errno, 'notified errno');
  writer.u32(3, call.ends ? 1 : 0, 'notified ends');
  writer.str(4, call.name, 'notified name');
  if (call.spared !== undefined) writer.u32(5, call.spared, 'notified spared');
  writer.end(mark);
}

function writeSideChannels(writer: FieldWriter, controls: readonly SideChannelControl[]): void {
  if (controls.length === 0) return;
  let bits = 0;
  for (const control of controls) bits |= sideChannelBits[control];
  writer.u32(16, bits, 'side channels');
}

function writeCapabilities(writer: FieldWriter, plan: CapabilityPlan): void {
  const mark = writer.begin(8);
  writer.u64(1, plan.bounding, 'bounding capabilities');
  writer.u64(2, plan.effective, 'effective capabilities');
  writer.u64(3, plan.permitted, 'permitted capabilities');
  writer.u64(4, plan.inheritable, 'inheritable capabilities');
  writer.u64(5, plan.ambient, 'ambient capabilities');
  writer.u32(6, plan.securebits, 'securebits');
  writer.end(mark);
}

export function writeRlimit(writer: FieldWriter, tag: number, rlimit: Rlimit): void {
  const mark = writer.begin(tag);
  writer.u32(1, rlimit.resource, 'rlimit resource');
  writer.u64(2, rlimit.soft, 'rlimit soft');
  writer.u64(3, rlimit.hard, 'rlimit hard');
  writer.end(mark);
}

export function writeCgroup(writer: FieldWriter, tag: number, plan: CgroupPlan): void {
  const mark = writer.begin(tag);
  const u64 = (field: number, value: number | undefined, name: string): void => {
    if (value !== undefined) writer.u64(field, value, name);
  };
  u64(1, plan.memoryMaxBytes, 'memory limit');
  u64(2, plan.memoryHighBytes, 'soft memory limit');
  u64(3, plan.cpuQuotaUs, 'cpu quota');
  u64(4, plan.cpuPeriodUs, 'cpu period');
  if (plan.cpuWeight !== undefined) writer.u32(5, plan.cpuWeight, 'cpu weight');
  u64(6, plan.pidsMax, 'process limit');
  u64(7, plan.readBytesPerSecond, 'read rate');
  u64(8, plan.writeBytesPerSecond, 'write rate');
  u64(11, plan.swapMaxBytes, 'swap limit');
  writer.end(mark);
}

export function writeLimits(writer: FieldWriter, tag: number, limits: Partial<RunLimits>): void {
  const mark = writer.begin(tag);
  if (limits.wallMs !== undefined) writer.u64(1, limits.wallMs, 'wall-clock limit');
  if (limits.cpuMs !== undefined) writer.u64(2, limits.cpuMs, 'cpu time limit');
  if (limits.outputBytes !== undefined) writer.u64(3, limits.outputBytes, 'output limit');
  if (limits.onOutputLimit !== undefined) {
    writer.u32(4, limits.onOutputLimit === 'kill' ? 1 : 0, 'output policy');
  }
  writer.end(mark);
}
