/**
 * What a monitor reads: the port behind which live usage is counted. Wired in compose to the launchers and the proxy.
 */

/** Counters of one sandbox, since it was made. What nothing counts here is absent. */
export interface UsageReading {
  /** Of the sandbox that stays, else the audit id of its run. */
  readonly id: string;
  /** `cgroup`: the kernel's own accounts; `proc`: summed over its processes, memory counted twice where it is shared. */
  readonly source: 'cgroup' | 'proc';
  /** User and system. */
  readonly cpuMs: number;
  readonly memoryBytes?: number;
  readonly memoryPeakBytes?: number;
  /** With their threads. */
  readonly processes?: number;
  /** From and to block devices; what the page cache served or keeps is not in it. */
  readonly readBytes?: number;
  readonly writtenBytes?: number;
  readonly network?: NetworkReading;
  /** Stopped where it stands. */
  readonly frozen?: true;
}

/** Of a filtered network; bytes with their IP and TCP headers. */
export interface NetworkReading {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly refusedPackets: number;
  /** Asked for, refused ones included; absent: its proxy does not answer. */
  readonly connections?: number;
  readonly openConnections?: number;
}

export interface UsageReadings {
  /** Monotonic, ms: differences alone mean something. */
  readonly atMs: number;
  readonly sandboxes: readonly UsageReading[];
  /** Sandboxes that wait for a job. */
  readonly waiting: number;
}

/** Every sandbox at once. Starts nothing: where none runs, it says so. */
export type UsageSource = () => Promise<UsageReadings>;
