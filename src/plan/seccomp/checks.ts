/**
 * The calls whose arguments are looked at. Few, and none of them hot: a check costs every call of its number
 * about 60 ns, where an argument-free rule costs nothing (the kernel's action bitmap).
 */
import { ALLOW, type CheckedAction, type Condition, EPERM, type PlainAction } from './action.ts';

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h). CLONE_NEWTIME lies within the exit signal's byte of clone(2), which cannot ask for it. */
const CLONE_NEW = 0x7e020000;
const CLONE_THREAD = 0x00010000;

/** Valid for unshare(2) alone, whose flags have no exit signal. */
const CLONE_NEWTIME = 0x80;

/** clone(flags, …) and unshare(flags) that ask for a namespace. */
export const asksForNamespace: readonly Condition[] = [
  { argument: 0, mask: CLONE_NEW, test: 'any' },
];
export const unsharesNamespace: readonly Condition[] = [
  { argument: 0, mask: CLONE_NEW | CLONE_NEWTIME, test: 'any' },
];

/** clone(flags, …): the flags are read as 32 bits, argument 0 on both architectures. */
export const cloneWithoutNamespaces: CheckedAction = {
  kind: 'check',
  says: 'no new namespaces',
  clauses: [{ when: asksForNamespace, answer: EPERM }],
  otherwise: ALLOW,
};

/** Threads of the same process alone; they cannot have namespaces other than their process's user and pid ones, and the floor holds anyway. */
export const cloneThreads: CheckedAction = {
  kind: 'check',
  says: 'threads alone, no new namespaces',
  clauses: [
    { when: asksForNamespace, answer: EPERM },
    { when: [{ argument: 0, mask: CLONE_THREAD, test: 'any' }], answer: ALLOW },
  ],
  otherwise: EPERM,
};

const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;

/**
 * seccomp(operation, flags, …): `unsigned int flags`. Of two filters that hand a call over the newer one's listener
 * decides, and it may let the call continue: a guest with a listener would answer for us. The kernel allows one
 * listener alone, with this errno, for as long as ours is open; this holds always.
 */
export const seccompWithoutListener: CheckedAction = {
  kind: 'check',
  says: 'no listener',
  clauses: [
    {
      when: [{ argument: 1, mask: SECCOMP_FILTER_FLAG_NEW_LISTENER, test: 'any' }],
      answer: { kind: 'errno', errno: 'EBUSY' },
    },
  ],
  otherwise: ALLOW,
};

const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** ioctl(fd, request, …): the kernel takes `unsigned int request`. */
export const ioctlWithoutInjection: CheckedAction = {
  kind: 'check',
  says: 'neither TIOCSTI nor TIOCLINUX',
  clauses: [{ when: [{ argument: 1, test: { in: [TIOCSTI, TIOCLINUX] } }], answer: EPERM }],
  otherwise: ALLOW,
};

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_TYPE_MASK = 0xf;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const IPPROTO_IP = 0;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_ICMPV6 = 58;

const EAFNOSUPPORT: PlainAction = { kind: 'errno', errno: 'EAFNOSUPPORT' };
const ESOCKTNOSUPPORT: PlainAction = { kind: 'errno', errno: 'ESOCKTNOSUPPORT' };
const EPROTONOSUPPORT: PlainAction = { kind: 'errno', errno: 'EPROTONOSUPPORT' };

const isInternet = { argument: 0, test: { in: [AF_INET, AF_INET6] } };
const isCommonType = {
  argument: 1,
  mask: SOCK_TYPE_MASK,
  test: { in: [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW] },
};
const isCommonProtocol = {
  argument: 2,
  test: { in: [IPPROTO_IP, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6] },
};

/**
 * socket(family, type, protocol). Three facts of the kernel:
 * AF_INET with type SOCK_PACKET (10) becomes AF_PACKET; type SOCK_SEQPACKET with protocol 0 becomes SCTP;
 * and MPTCP, SCTP, SMC carry streams that Landlock's TCP rules do not see.
 */
export const socketFamilies: CheckedAction = {
  kind: 'check',
  says: 'AF_UNIX; AF_INET and AF_INET6 with TCP, UDP, ICMP; AF_NETLINK with NETLINK_ROUTE',
  clauses: [
    { when: [{ argument: 0, test: { in: [AF_UNIX] } }], answer: ALLOW },
    { when: [isInternet, isCommonType, isCommonProtocol], answer: ALLOW },
    { when: [isInternet, isCommonType], answer: EPROTONOSUPPORT },
    { when: [isInternet], answer: ESOCKTNOSUPPORT },
    {
      when: [
        { argument: 0, test: { in: [AF_NETLINK] } },
        { argument: 2, test: { in: [NETLINK_ROUTE] } },
      ],
      answer: ALLOW,
    },
    { when: [{ argument: 0, test: { in: [AF_NETLINK] } }], answer: EPROTONOSUPPORT },
  ],
  otherwise: EAFNOSUPPORT,
};

const SOCK_SEQPACKET = 5;
const IPPROTO_SCTP = 132;

/** The same, but for unix sockets: none of the host's can be connected to, wherever it shows. */
export const socketFamiliesButUnix: CheckedAction = {
  ...socketFamilies,
  says: 'AF_INET and AF_INET6 with TCP, UDP, ICMP; AF_NETLINK with NETLINK_ROUTE',
  clauses: [
    { when: [{ argument: 0, test: { in: [AF_UNIX] } }], answer: EPERM },
    ...socketFamilies.clauses.slice(1),
  ],
};

/** The same, and raw sockets of these protocols (`other`: of every one), which need a capability besides; SCTP's own. */
export function socketFamiliesWith(
  packets: readonly (number | 'other')[],
  families = socketFamilies,
): CheckedAction {
  const every = packets.includes('other');
  const numbers = packets.filter((protocol) => protocol !== 'other');
  const isRaw = { argument: 1, mask: SOCK_TYPE_MASK, test: { in: [SOCK_RAW] } };
  const isStream = {
    argument: 1,
    mask: SOCK_TYPE_MASK,
    test: { in: [SOCK_STREAM, SOCK_SEQPACKET] },
  };
  const isNamed = { argument: 2, test: { in: numbers } };
  const isSctp = { argument: 2, test: { in: [IPPROTO_SCTP] } };
  return {
    ...families,
    clauses: [
      ...(every || numbers.length > 0
        ? [{ when: [isInternet, isRaw, ...(every ? [] : [isNamed])], answer: ALLOW }]
        : []),
      ...(every || numbers.includes(IPPROTO_SCTP)
        ? [{ when: [isInternet, isStream, isSctp], answer: ALLOW }]
        : []),
      ...families.clauses,
    ],
  };
}

export const socketpairUnix: CheckedAction = {
  kind: 'check',
  says: 'AF_UNIX',
  clauses: [{ when: [{ argument: 0, test: { in: [AF_UNIX] } }], answer: ALLOW }],
  otherwise: EAFNOSUPPORT,
};

const PER_LINUX32 = 0x8;
const UNAME26 = 0x20000;
const ADDR_NO_RANDOMIZE = 0x40000;
const QUERY = 0xffffffff;

/** personality(persona): `unsigned int`. */
export const personalityPlain: CheckedAction = {
  kind: 'check',
  says: 'asking, PER_LINUX, PER_LINUX32, UNAME26 and ADDR_NO_RANDOMIZE',
  clauses: [
    { when: [{ argument: 0, test: { in: [QUERY] } }], answer: ALLOW },
    {
      when: [
        { argument: 0, mask: ~(PER_LINUX32 | UNAME26 | ADDR_NO_RANDOMIZE) >>> 0, test: 'any' },
      ],
      answer: EPERM,
    },
  ],
  otherwise: ALLOW,
};

const PR_SET_TSC = 26;

/** prctl(option, …): `int option`. Where the time stamp counter is kept from the guest. */
export const prctlWithoutTsc: CheckedAction = {
  kind: 'check',
  says: 'not PR_SET_TSC',
  clauses: [{ when: [{ argument: 0, test: { in: [PR_SET_TSC] } }], answer: EPERM }],
  otherwise: ALLOW,
};

const S_ISUID_S_ISGID = 0o6000;

/** chmod(path, mode), fchmod(fd, mode). open(2) with such a mode makes an empty file that loses the bits when it is written. */
export const chmodWithoutSetuid: CheckedAction = modeWithoutSetuid(1);
/** fchmodat(dir, path, mode), fchmodat2(dir, path, mode, flags). */
export const fchmodatWithoutSetuid: CheckedAction = modeWithoutSetuid(2);

function modeWithoutSetuid(argument: number): CheckedAction {
  return {
    kind: 'check',
    says: 'neither the set-user-ID nor the set-group-ID bit',
    clauses: [{ when: [{ argument, mask: S_ISUID_S_ISGID, test: 'any' }], answer: EPERM }],
    otherwise: ALLOW,
  };
}
