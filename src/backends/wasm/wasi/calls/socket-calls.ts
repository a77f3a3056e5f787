import { errno } from '../errno.ts';
import type { GuestState } from '../guest-state.ts';
import type { WasiCalls } from '../signatures.ts';

type Calls = Pick<WasiCalls, 'sock_accept' | 'sock_recv' | 'sock_send' | 'sock_shutdown'>;

/** Preview 1 has no call that makes a socket, and none is ever handed in: no descriptor is one. */
export function socketCalls(state: GuestState): Calls {
  const refuse = (fd: number): number =>
    state.descriptors.get(fd) === undefined ? errno.badf : errno.notsock;
  return {
    sock_accept: refuse,
    sock_recv: refuse,
    sock_send: refuse,
    sock_shutdown: refuse,
  };
}
