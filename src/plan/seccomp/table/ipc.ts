import { type SyscallGroup, wide } from '../rule.ts';

const own = "objects of the guest's own ipc namespace";

/** System V IPC and POSIX queues. */
export const ipc: SyscallGroup = {
  shmget: wide(own),
  shmat: wide(own),
  shmctl: wide(own),
  shmdt: wide(own),
  semget: wide(own),
  semop: wide(own),
  semtimedop: wide(own),
  semctl: wide(own),
  msgget: wide(own),
  msgsnd: wide(own),
  msgrcv: wide(own),
  msgctl: wide(own),
  mq_open: wide(own),
  mq_unlink: wide(own),
  mq_timedsend: wide(own),
  mq_timedreceive: wide(own),
  mq_notify: wide(own),
  mq_getsetattr: wide(own),
};
