import { allow, floor, type SyscallGroup } from '../rule.ts';

const hostClock = "the host's clock belongs to everyone";

/** Clocks and timers. */
export const time: SyscallGroup = {
  time: allow('reads the clock'),
  gettimeofday: allow('reads the clock'),
  clock_gettime: allow('reads a clock'),
  clock_getres: allow('resolution of a clock'),
  clock_nanosleep: allow('sleeps'),
  nanosleep: allow('sleeps'),
  getitimer: allow('interval timers of the process'),
  setitimer: allow('interval timers of the process'),
  alarm: allow('a timer of the process'),
  timer_create: allow('timers of the process, within its limit on pending signals'),
  timer_settime: allow('timers of the process'),
  timer_gettime: allow('timers of the process'),
  timer_getoverrun: allow('timers of the process'),
  timer_delete: allow('timers of the process'),
  timerfd_create: allow('a timer as a descriptor'),
  timerfd_settime: allow('a timer as a descriptor'),
  timerfd_gettime: allow('a timer as a descriptor'),
  settimeofday: floor('EPERM', hostClock),
  clock_settime: floor('EPERM', hostClock),
  adjtimex: floor('EPERM', hostClock),
  clock_adjtime: floor('EPERM', hostClock),
};
