/** Every system call number, with arguments on either side of every check, for probe.c. */

/**
 * With -1 for every argument nearly every call fails without harm. These would not: arguments that make nothing,
 * or of which the kernel itself says no.
 */
const harmless: Readonly<Record<string, string>> = {
  msgget: '-1,0',
  semget: '-1,0,0',
  shmget: '-1,0,0',
};

/** Arguments on either side of every check, also with a high half that the kernel drops. */
const checkedArgs: Readonly<Record<string, readonly bigint[][]>> = {
  ioctl: [
    [-1n, 0x5412n],
    [-1n, 0xffffffff_00005412n],
    [-1n, 0x1_0000541cn],
    [-1n, 0x5401n],
    [-1n, 0x5413n],
  ],
  clone: [
    [0x11n, 0n, 0n, 0n, 0n],
    [0x10000011n, 0n, 0n, 0n, 0n],
    [0x00020011n, 0n, 0n, 0n, 0n],
    [0x1_40000011n, 0n, 0n, 0n, 0n],
  ],
  socket: [
    [1n, 1n, 0n],
    [2n, 1n, 6n],
    [2n, 1n, 132n],
    [2n, 10n, 0n],
    [16n, 3n, 0n],
    [16n, 3n, 9n],
    [17n, 3n, 0n],
    [40n, 1n, 0n],
    [0x1_00000028n, 1n, 0n],
    [38n, 5n, 0n],
  ],
  socketpair: [
    [1n, 1n, 0n, 0n],
    [2n, 1n, 0n, 0n],
  ],
  personality: [[0xffffffffn], [0n], [0x40000n], [0x400000n], [0x1_00400000n]],
  chmod: [
    [0n, 0o4755n],
    [0n, 0o755n],
  ],
  fchmod: [
    [-1n, 0o2755n],
    [-1n, 0o755n],
  ],
  fchmodat: [
    [-1n, 0n, 0o4755n],
    [-1n, 0n, 0o755n],
  ],
  seccomp: [
    [1n, 0n, 0n],
    [1n, 8n, 0n],
    [1n, 0x1_00000019n, 0n],
    [1n, 1n << 35n, 0n],
  ],
  fchmodat2: [
    [-1n, 0n, 0o4755n, 0n],
    [-1n, 0n, 0o755n, 0n],
  ],
};

export interface Call {
  readonly number: number;
  readonly args: readonly bigint[];
  readonly text: string;
}

export function everyCall(names: ReadonlyMap<number, string>): Call[] {
  const calls: Call[] = [];
  const add = (number: number, given: readonly bigint[]): void => {
    const args = [...given, ...Array.from({ length: 6 - given.length }, () => -1n)];
    const text = given.map((arg) => BigInt.asUintN(64, arg)).join(',');
    calls.push({ number, args, text: text === '' ? `${number}` : `${number}:${text}` });
  };
  for (let number = 0; number <= 1024; number++) {
    const name = names.get(number) ?? '';
    add(number, harmless[name] ? harmless[name].split(',').map(BigInt) : []);
    for (const args of checkedArgs[name] ?? []) add(number, args);
    if (number < 600) add(0x40000000 + number, []);
  }
  return calls;
}
