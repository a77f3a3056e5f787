/**
 * What a traced run used, from its records in their order. Pure.
 */
import type { TraceRecord } from '../launcher/trace-record.ts';

/** What was done with one path. */
export interface PathUse {
  /** Absolute, without links on the way. */
  readonly path: string;
  /** What was there when the run first looked: `-` nothing, file, directory, link, else. */
  readonly before: '-' | 'f' | 'd' | 'l' | 's';
  /** Content that was there before the run was read or executed. */
  read: boolean;
  executed: boolean;
  /** Asked for its existence, type or times alone. */
  looked: boolean;
  /** A directory that was opened: its names were read. */
  listed: boolean;
  /** Content, or the place itself, is now of the run's making. */
  written: boolean;
  created: boolean;
  deleted: boolean;
}

export interface Connection {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** Of a datagram socket: something was sent there. Sends on a connected one are not seen. */
  readonly sent: boolean;
  /** So many of {@link Observations.names} were asked for before it was made first, and before it was made last. */
  readonly namesAtFirst: number;
  readonly namesAtLast: number;
}

export interface CallUse {
  readonly arch: number;
  readonly number: number;
  readonly detail: number;
}

export interface Observations {
  /** By path. */
  readonly paths: ReadonlyMap<string, PathUse>;
  readonly connections: readonly Connection[];
  /** Names of unix sockets that were connected to: paths, or `@name`. */
  readonly sockets: readonly string[];
  /** TCP ports that were bound by number and listened on. */
  readonly listening: readonly number[];
  /** Whether a port was left to the kernel to choose. */
  readonly listensAnywhere: boolean;
  /** Names that were asked of a resolver, in the order in which they were first. */
  readonly names: readonly string[];
  readonly calls: readonly CallUse[];
}

/** Where a path leads. */
export interface PathResolver {
  /**
   * @param follow whether a last link is followed
   * @returns the place, and the links on the way to it
   */
  resolve(
    path: string,
    follow: boolean,
  ): { readonly path: string; readonly links: readonly string[] };
}

const O_ACCMODE = 3;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_PATH = 0o10000000;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const DNS_PORT = 53;

type PathRecord = Extract<TraceRecord, { kind: 'path' }>;
type NetRecord = Extract<TraceRecord, { kind: 'net' }>;

/** Records go in, in order; {@link result} is what they come to. */
export class Observer {
  readonly #resolver: PathResolver;
  readonly #parseName: (query: Uint8Array) => string | undefined;
  readonly #paths = new Map<string, PathUse>();
  /** Places whose content is of the run's own making: what is read there is no input. */
  readonly #own = new Set<string>();
  readonly #connections = new Map<string, Connection>();
  readonly #sockets = new Set<string>();
  readonly #bound = new Set<number>();
  readonly #listening = new Set<number>();
  readonly #names = new Set<string>();
  readonly #calls = new Map<string, CallUse>();
  #listensAnywhere = false;

  constructor(resolver: PathResolver, parseName: (query: Uint8Array) => string | undefined) {
    this.#resolver = resolver;
    this.#parseName = parseName;
  }

  note(record: TraceRecord): void {
    if (record.kind === 'path') this.#path(record);
    else if (record.kind === 'net') this.#net(record);
    else if (record.kind === 'call') {
      const { arch, number, detail } = record;
      this.#calls.set(`${arch} ${number} ${detail}`, { arch, number, detail });
    } else if (record.kind === 'dns') {
      const name = this.#parseName(record.query);
      if (name !== undefined) this.#names.add(name);
    }
  }

  result(): Observations {
    return {
      paths: this.#paths,
      connections: [...this.#connections.values()],
      sockets: [...this.#sockets].sort(),
      listening: [...this.#listening].filter((port) => this.#bound.has(port)).sort((a, b) => a - b),
      listensAnywhere: this.#listensAnywhere,
      names: [...this.#names],
      calls: [...this.#calls.values()],
    };
  }

  #path(record: PathRecord): void {
    const { op, state, flags, path, to } = record;
    const exclusive = (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0;
    const place = this.#resolver.resolve(path, follows(op) && !exclusive && state !== 'l');
    for (const link of place.links) this.#use(link, 'l').looked ||= !this.#isOwn(link);
    const use = this.#use(place.path, state);
    const missing = state === '-';
    switch (op) {
      case 'open':
        this.#open(use, missing, flags);
        return;
      case 'exec':
        if (missing) return;
        use.executed = true;
        this.#read(use);
        return;
      case 'stat':
      case 'link-read':
      case 'chdir':
        if (!missing && !this.#isOwn(use.path)) use.looked = true;
        return;
      case 'unlink':
      case 'rmdir':
        if (missing) return;
        use.deleted = true;
        this.#write(use);
        return;
      case 'mkdir':
      case 'mknod':
      case 'symlink':
        if (missing) this.#create(use);
        else if (!this.#isOwn(use.path)) use.looked = true;
        return;
      case 'truncate':
      case 'attribute':
        if (missing) return;
        this.#read(use);
        use.written = true;
        return;
      case 'rename':
      case 'link':
        this.#move(use, op === 'rename', missing, to ?? path);
        return;
    }
  }

  #open(use: PathUse, missing: boolean, flags: number): void {
    const writes = (flags & O_ACCMODE) !== 0;
    if (missing) {
      if ((flags & O_CREAT) !== 0) this.#create(use);
      return;
    }
    if (use.before === 'd' || (flags & O_PATH) === O_PATH) {
      if (this.#isOwn(use.path)) return;
      if (use.before === 'd') use.listed = true;
      else use.looked = true;
      return;
    }
    const empties = writes && (flags & O_TRUNC) !== 0;
    // Written in place, what is not written over stays: the rest of it is an input.
    if (!empties) this.#read(use);
    if (writes) use.written = true;
    if (empties) this.#write(use);
  }

  #move(use: PathUse, takes: boolean, missing: boolean, to: string): void {
    if (missing) return;
    const target = this.#resolver.resolve(to, false);
    const made = this.#use(target.path, '-');
    const own = this.#isOwn(use.path);
    if (!own) this.#read(use);
    if (takes) {
      use.deleted = true;
      this.#write(use);
    }
    made.created = true;
    this.#write(made);
  }

  #read(use: PathUse): void {
    if (!this.#isOwn(use.path)) use.read = true;
  }

  #create(use: PathUse): void {
    use.created = true;
    this.#write(use);
  }

  #write(use: PathUse): void {
    use.written = true;
    this.#own.add(use.path);
  }

  #isOwn(path: string): boolean {
    for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
      if (this.#own.has(at)) return true;
    }
    return false;
  }

  #use(path: string, state: PathUse['before']): PathUse {
    let use = this.#paths.get(path);
    if (use === undefined) {
      use = {
        path,
        before: state,
        read: false,
        executed: false,
        looked: false,
        listed: false,
        written: false,
        created: false,
        deleted: false,
      };
      this.#paths.set(path, use);
    }
    return use;
  }

  #net({ op, type, family, port, address }: NetRecord): void {
    if (family === 'u') {
      if (op === 'connect' || op === 'send') this.#sockets.add(address);
      else if (op === 'bind' && address.startsWith('/')) {
        this.#create(this.#use(this.#resolver.resolve(address, false).path, '-'));
      }
      return;
    }
    if (op === 'bind') {
      if (port !== 0) this.#bound.add(port);
    } else if (op === 'listen') {
      if (type !== SOCK_STREAM) return;
      this.#listening.add(port);
      if (!this.#bound.has(port)) this.#listensAnywhere = true;
    } else if ((type === SOCK_STREAM || type === SOCK_DGRAM) && port !== 0 && port !== DNS_PORT) {
      const protocol = type === SOCK_STREAM ? 'tcp' : 'udp';
      const key = `${address} ${port} ${protocol}`;
      const known = this.#connections.get(key);
      const names = this.#names.size;
      this.#connections.set(key, {
        address,
        port,
        protocol,
        sent: op === 'send' || known?.sent === true,
        namesAtFirst: known?.namesAtFirst ?? names,
        namesAtLast: names,
      });
    }
  }
}

function follows(op: PathRecord['op']): boolean {
  return (
    op === 'open' ||
    op === 'exec' ||
    op === 'stat' ||
    op === 'chdir' ||
    op === 'truncate' ||
    op === 'attribute'
  );
}
