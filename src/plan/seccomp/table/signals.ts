import { allow, type SyscallGroup } from '../rule.ts';

/** Signals. To whom is for the pid namespace and Landlock's scope to say. */
export const signals: SyscallGroup = {
  rt_sigaction: allow('handles signals'),
  rt_sigprocmask: allow('blocks signals'),
  rt_sigreturn: allow('returns from a handler'),
  rt_sigpending: allow('pending signals'),
  rt_sigsuspend: allow('waits for a signal'),
  rt_sigtimedwait: allow('waits for a signal'),
  rt_sigqueueinfo: allow('signals a process of its pid namespace'),
  rt_tgsigqueueinfo: allow('signals a thread of its pid namespace'),
  sigaltstack: allow('a stack for handlers'),
  kill: allow('signals a process of its pid namespace'),
  tkill: allow('signals a thread of its pid namespace'),
  tgkill: allow('signals a thread of its pid namespace'),
  pause: allow('waits for a signal'),
  signalfd: allow('signals as a descriptor'),
  signalfd4: allow('signals as a descriptor'),
  restart_syscall: allow('the kernel itself uses it after a stop'),
};
