/**
 * The host's facts that only system calls can tell, from bytes (protocol/PROTOCOL.md, "Facts");
 * written in C by native/launcher/probe.c. An errno of 0 means that the thing was tried and worked.
 */
import { malformed, readFields, readI32, readStr, readU32, readU64 } from './fields.ts';

/** Bits of field 9. */
export const cgroupFact = {
  v2: 1,
  v2Memory: 2,
  v2Cpu: 4,
  v2Pids: 8,
  v2Io: 16,
  v1Memory: 32,
  v1Cpu: 64,
  v1Pids: 128,
  v1Blkio: 256,
  cloneInto: 512,
  killFile: 1024,
} as const;

export interface LauncherFacts {
  kernel: string;
  euid: number;
  landlockAbi: number;
  seccomp: boolean;
  userNamespaceErrno: number;
  otherNamespacesErrno: number;
  procMountErrno: number;
  idmapErrno: number;
  /** Bits: {@link cgroupFact}. */
  cgroup: number;
  /** v2 path of the group we may create groups in. */
  cgroupBase: string;
  capabilities: bigint;
  overlay: boolean;
  pidfd: boolean;
  architecture: string;
  workingFileSystem: string;
  closeRange: boolean;
  seccompErrno: number;
  cgroupErrno: number;
  /** Active security modules, where the host lets us read them. */
  lsm: string | undefined;
  tmpfsXattrErrno: number;
  /** errno of the network of a sandbox with a filtered one; undefined from a launcher that did not try. */
  networkFilterErrno?: number;
  /** errno of a filter whose calls are answered outside; undefined from a launcher that did not try. */
  seccompListenerErrno?: number;
  auditEnabled?: boolean;
  auditReadErrno?: number;
  /** errno of a way out for packets; undefined from a launcher that did not try. */
  packetsErrno?: number;
  /** Chains of others on the host that let no packet through which they do not name: `ip filter FORWARD`. */
  droppingChains?: string[];
  /** PR_GET_SPECULATION_CTRL: bits PR_SPEC_*, or a negative errno. */
  storeBypass?: number;
  indirectBranch?: number;
  l1dFlush?: number;
  coreSchedulingErrno?: number;
  tscErrno?: number;
  /** errno of memory that no other process reads (memfd_secret); undefined from a launcher that did not try. */
  secretMemoryErrno?: number;
}

export function decodeFacts(body: Buffer): LauncherFacts {
  const out: LauncherFacts = {
    kernel: '',
    euid: -1,
    landlockAbi: 0,
    seccomp: false,
    userNamespaceErrno: -1,
    otherNamespacesErrno: -1,
    procMountErrno: -1,
    idmapErrno: -1,
    cgroup: 0,
    cgroupBase: '',
    capabilities: 0n,
    overlay: false,
    pidfd: false,
    architecture: '',
    workingFileSystem: '',
    closeRange: false,
    seccompErrno: -1,
    cgroupErrno: -1,
    lsm: undefined,
    tmpfsXattrErrno: -1,
  };
  for (const field of readFields(body)) {
    switch (field.tag) {
      case 1:
        out.kernel = readStr(field);
        break;
      case 2:
        out.euid = readU32(field);
        break;
      case 3:
        out.landlockAbi = readU32(field);
        break;
      case 4:
        out.seccomp = readU32(field) !== 0;
        break;
      case 5:
        out.userNamespaceErrno = readI32(field);
        break;
      case 6:
        out.otherNamespacesErrno = readI32(field);
        break;
      case 7:
        out.procMountErrno = readI32(field);
        break;
      case 8:
        out.idmapErrno = readI32(field);
        break;
      case 9:
        out.cgroup = readU32(field);
        break;
      case 10:
        out.cgroupBase = readStr(field, true);
        break;
      case 11:
        out.capabilities = readU64(field);
        break;
      case 12:
        out.overlay = readU32(field) !== 0;
        break;
      case 13:
        out.pidfd = readU32(field) !== 0;
        break;
      case 14:
        out.architecture = readStr(field);
        break;
      case 15:
        out.workingFileSystem = readStr(field);
        break;
      case 16:
        out.closeRange = readU32(field) !== 0;
        break;
      case 17:
        out.seccompErrno = readI32(field);
        break;
      case 18:
        out.cgroupErrno = readI32(field);
        break;
      case 19:
        out.lsm = readStr(field, true);
        break;
      case 20:
        out.tmpfsXattrErrno = readI32(field);
        break;
      case 21:
        out.networkFilterErrno = readI32(field);
        break;
      case 30:
        out.seccompListenerErrno = readI32(field);
        break;
      case 31:
        out.auditEnabled = readU32(field) !== 0;
        break;
      case 32:
        out.auditReadErrno = readI32(field);
        break;
      case 40:
        out.packetsErrno = readI32(field);
        break;
      case 41:
        out.droppingChains = [...(out.droppingChains ?? []), readStr(field)];
        break;
      case 24:
        out.storeBypass = readI32(field);
        break;
      case 25:
        out.indirectBranch = readI32(field);
        break;
      case 26:
        out.l1dFlush = readI32(field);
        break;
      case 27:
        out.coreSchedulingErrno = readI32(field);
        break;
      case 28:
        out.tscErrno = readI32(field);
        break;
      case 29:
        out.secretMemoryErrno = readI32(field);
        break;
      default:
        throw malformed(`FACTS has an unknown field ${field.tag}`);
    }
  }
  return out;
}
