/**
 * A small machine with nothing but cgroup v2, for the code paths that a v1 host cannot try: Debian's cloud kernel,
 * busybox and the files that are given, under QEMU's microvm, with KVM where that boots and without it elsewhere.
 *
 *   node scripts/cgroup-v2-guest.ts SCRIPT [PATH-INSIDE=FILE]…     runs a shell script inside, exits with its code
 *
 * Nothing of the host is changed: kernel and busybox are taken out of packages that `apt-get download` fetches into
 * build/guest. Only QEMU must be installed (installed here when root).
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CpioArchive } from './cpio-archive.ts';

export interface GuestFile {
  /** Absolute, inside the guest. */
  readonly path: string;
  readonly content: Uint8Array | string;
  readonly executable?: boolean;
}

export interface GuestOptions {
  /** Shell script (busybox ash, run as root, from `/`), its standard output and error are the output. */
  readonly script: string;
  readonly files?: readonly GuestFile[];
  /** From the script's first line on; default 60,000. Booting has a limit of its own. */
  readonly timeoutMs?: number;
  readonly memoryMiB?: number;
  /** What the kernel is told of security modules and its audit log; default: `apparmor=0 audit=0`. */
  readonly security?: string;
}

export interface GuestResult {
  readonly output: string;
  /** Exit code of the script. */
  readonly code: number;
  /** Milliseconds from the start of QEMU until the script began. */
  readonly bootMs: number;
  readonly accelerator: string;
}

export interface GuestParts {
  readonly qemu: string;
  readonly kernel: string;
  readonly busybox: string;
}

const CACHE = join(import.meta.dirname, '..', 'build', 'guest');
const BEGIN = '@@caisson-guest-begin@@';
const END = /@@caisson-guest-end (\d+)@@/;

/** What the guest is made of, fetched where it is missing; a string says why it cannot be had. */
export function findGuestParts(): GuestParts | string {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'the guest with cgroup v2 is for x86-64 Linux';
  try {
    const qemu = '/usr/bin/qemu-system-x86_64';
    if (!existsSync(qemu)) installQemu();
    if (!existsSync(qemu)) return 'qemu-system-x86 is not installed';
    const kernel = () => globSync(join(CACHE, 'boot/vmlinuz-*'))[0];
    if (kernel() === undefined) takeFromPackage(kernelPackage(), './boot');
    const busybox = () =>
      ['bin/busybox', 'usr/bin/busybox'].map((p) => join(CACHE, p)).find(existsSync);
    if (busybox() === undefined) takeFromPackage('busybox-static', './bin', './usr/bin');
    return { qemu, kernel: kernel() ?? '', busybox: busybox() ?? '' };
  } catch {
    return 'the packages of the guest cannot be downloaded by apt-get';
  }
}

function installQemu(): void {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  try {
    execFileSync('apt-get', [...lock, 'update'], { stdio: 'ignore' });
    const install = ['install', '-y', '--no-install-recommends', 'qemu-system-x86'];
    execFileSync('apt-get', [...lock, ...install], { stdio: 'ignore' });
  } catch {
    // The caller sees that it is not there.
  }
}

/** The package that Debian's name for the newest cloud kernel stands for. */
function kernelPackage(): string {
  const depends = execFileSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], {
    encoding: 'utf8',
  });
  const found = /linux-image-[\d.-]+-cloud-amd64/.exec(depends);
  if (found === null) throw new Error('linux-image-cloud-amd64 is not in the package lists');
  return found[0];
}

function takeFromPackage(name: string, ...wanted: string[]): void {
  mkdirSync(CACHE, { recursive: true });
  // In the temporary directory, since apt drops its privileges for the download.
  const cwd = tmpdir();
  execFileSync('apt-get', ['download', name], { cwd, stdio: 'ignore' });
  const file = globSync(join(cwd, `${name}_*.deb`))[0] ?? '';
  const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', file], { maxBuffer: 2 ** 30 });
  const members = execFileSync('tar', ['-t'], { input: tar, encoding: 'utf8' }).split('\n');
  const present = wanted.filter((directory) => members.includes(`${directory}/`));
  execFileSync('tar', ['-x', '-C', CACHE, ...present], { input: tar });
  execFileSync('rm', ['-f', file]);
}

/**
 * PID 1: the file systems that the script expects, then the script, then its exit code. It first moves to a tmpfs, since
 * the kernel's first root can neither be pivoted away nor unmounted.
 */
const INIT = `#!/bin/busybox sh
if [ "$1" != moved ]; then
  /bin/busybox --install -s /bin
  mkdir /new
  mount -t tmpfs -o mode=755 tmpfs /new
  for entry in /*; do [ $entry = /new ] || cp -a $entry /new; done
  exec switch_root /new /init moved
fi
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /tmp
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
stty -opost < /dev/console
export PATH=/bin HOME=/tmp
echo ${BEGIN}
sh /guest-script < /dev/null 2>&1
echo "@@caisson-guest-end $?@@"
reboot -f
`;

function makeInitramfs(parts: GuestParts, options: GuestOptions): Uint8Array {
  const archive = new CpioArchive();
  for (const directory of ['/bin', '/proc', '/sys', '/dev']) archive.directory(directory);
  archive.device('/dev/console', 5, 1);
  archive.file('/bin/busybox', readFileSync(parts.busybox), 0o755);
  archive.file('/init', INIT, 0o755);
  archive.file('/guest-script', options.script, 0o755);
  for (const { path, content, executable } of options.files ?? [])
    archive.file(path, content, executable === true ? 0o755 : 0o644);
  return archive.finish();
}

/**
 * Boots, runs the script, and takes the machine down.
 * @throws Error with what the console said when the script did not end within the time.
 */
export async function runInGuest(parts: GuestParts, options: GuestOptions): Promise<GuestResult> {
  const initramfs = join(CACHE, `initramfs-${process.pid}`);
  mkdirSync(dirname(initramfs), { recursive: true });
  writeFileSync(initramfs, makeInitramfs(parts, options));
  try {
    // Whether KVM boots a plain kernel is only known by trying: nested ones open and then fail.
    const kvm = canOpenKvm() ? await boot(parts, initramfs, 'kvm', options) : undefined;
    const result = kvm ?? (await boot(parts, initramfs, 'tcg', options));
    if (result === undefined) throw new Error('the guest did not boot');
    return result;
  } finally {
    execFileSync('rm', ['-f', initramfs]);
  }
}

function canOpenKvm(): boolean {
  try {
    return statSync('/dev/kvm').isCharacterDevice() && process.env.CAISSON_GUEST_ACCEL !== 'tcg';
  } catch {
    return false;
  }
}

const ACCELERATORS = {
  kvm: { flags: ['-accel', 'kvm', '-cpu', 'host'], bootLimitMs: 5_000 },
  tcg: { flags: ['-accel', 'tcg,thread=multi', '-cpu', 'max'], bootLimitMs: 40_000 },
} as const;

/** undefined: this accelerator did not reach the script. */
function boot(
  parts: GuestParts,
  initramfs: string,
  accelerator: keyof typeof ACCELERATORS,
  options: GuestOptions,
): Promise<GuestResult | undefined> {
  const { flags, bootLimitMs } = ACCELERATORS[accelerator];
  // Without a given frequency the emulated time stamp counter is calibrated, which at times never ends.
  const clock = `tsc_early_khz=${(cpus()[0]?.speed || 2000) * 1000} tsc=reliable`;
  const kernel = `console=ttyS0 quiet loglevel=1 panic=-1 reboot=t cgroup_no_v1=all mitigations=off nokaslr ${options.security ?? 'apparmor=0 audit=0'}`;
  const machine = [
    '-M',
    'microvm,pcie=off,rtc=off',
    '-nodefaults',
    '-no-user-config',
    '-no-reboot',
  ];
  const console_ = ['-display', 'none', '-serial', 'stdio', '-m', String(options.memoryMiB ?? 512)];
  const image = ['-kernel', parts.kernel, '-initrd', initramfs, '-append', `${kernel} ${clock}`];
  const start = performance.now();
  const qemu = spawn(parts.qemu, [...machine, ...console_, ...flags, ...image], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    let text = '';
    let bootMs: number | undefined;
    let ended: RegExpExecArray | null = null;
    let timer = setTimeout(() => qemu.kill('SIGKILL'), bootLimitMs);
    qemu.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (bootMs === undefined && text.includes(BEGIN)) {
        bootMs = performance.now() - start;
        clearTimeout(timer);
        timer = setTimeout(() => qemu.kill('SIGKILL'), options.timeoutMs ?? 60_000);
      }
      ended ??= END.exec(text);
      if (ended !== null) qemu.kill('SIGKILL');
    });
    qemu.on('error', reject);
    qemu.on('close', () => {
      clearTimeout(timer);
      if (bootMs === undefined) return resolve(undefined);
      if (ended === null)
        return reject(new Error(`the guest's script did not end in time:\n${text}`));
      const output = text
        .slice(text.indexOf(BEGIN) + BEGIN.length, ended.index)
        .replace(/^\r?\n/, '');
      resolve({ output, code: Number(ended[1]), bootMs, accelerator });
    });
  });
}

if (import.meta.main) {
  const [script, ...files] = process.argv.slice(2);
  const parts = findGuestParts();
  if (typeof parts === 'string' || script === undefined) {
    process.stderr.write(
      `${typeof parts === 'string' ? parts : 'usage: cgroup-v2-guest.ts SCRIPT [PATH=FILE]…'}\n`,
    );
    process.exit(2);
  }
  const given = files.map((pair): GuestFile => {
    const [path = '', file = ''] = pair.split('=');
    return { path, content: readFileSync(file), executable: (statSync(file).mode & 0o111) !== 0 };
  });
  const result = await runInGuest(parts, { script: readFileSync(script, 'utf8'), files: given });
  process.stdout.write(result.output);
  process.stderr.write(`booted in ${result.bootMs.toFixed(0)} ms (${result.accelerator})\n`);
  process.exitCode = result.code;
}
