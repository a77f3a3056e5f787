import { EPERM } from '../action.ts';
import { socketFamilies, socketpairUnix } from '../checks.ts';
import { allow, guarded, type SyscallGroup, wide } from '../rule.ts';

/** Sockets. Where they lead is for the network namespace, Landlock's ports and the proxy to say. */
export const network: SyscallGroup = {
  socket: guarded(
    socketFamilies,
    'other families reach the hypervisor (vsock), raw frames (packet) or rarely tested kernel code (alg, tipc, …)',
    EPERM,
  ),
  socketpair: guarded(socketpairUnix, 'a pair of unix sockets', EPERM),
  connect: wide('goes where the network namespace leads'),
  bind: wide("in the guest's own network namespace"),
  listen: wide("in the guest's own network namespace"),
  accept: wide("in the guest's own network namespace"),
  accept4: wide("in the guest's own network namespace"),
  setsockopt: wide('options of a socket it holds'),
  getsockopt: allow('options of a socket it holds; runtimes ask what their stdio is'),
  getsockname: allow('its own address; runtimes ask what their stdio is'),
  getpeername: allow('the other address; runtimes ask what their stdio is'),
  shutdown: allow('ends a socket it holds'),
  sendto: allow('sends on a socket it holds'),
  recvfrom: allow('receives on a socket it holds'),
  sendmsg: allow('sends on a socket it holds'),
  recvmsg: allow('receives on a socket it holds'),
  sendmmsg: wide('sends several messages'),
  recvmmsg: wide('receives several messages'),
};
