/** Brings a program into a room: a graph of ES modules, or a script, and gives the room its exports. */
import type ivm from 'isolated-vm';
import type { Program } from '../program.ts';
import type { Room } from './room.ts';
import { GuestFault, resolveImport, syntaxError, textOf } from './source.ts';

const ROOT = 'caisson:entry';
/** Reads the entry's exports once its top-level await has settled. */
const ROOT_SOURCE = `import * as exports from 'entry'; globalThis[Symbol.for('${ROOT}')](exports);`;

/** Texts of a program, worked out once; V8's compiled form of the larger ones. */
export class Sources {
  readonly program: Program;
  readonly #texts = new Map<string, string>();
  readonly #cached = new Map<string, ivm.ExternalCopy<ArrayBuffer>>();
  /** Its entry was met before, and is no script. */
  isModule = false;

  constructor(program: Program) {
    this.program = program;
  }

  text(path: string): string {
    let text = this.#texts.get(path);
    if (text === undefined) {
      text = textOf(this.program, path);
      this.#texts.set(path, text);
    }
    return text;
  }

  /** @throws GuestFault */
  module(isolate: ivm.Isolate, path: string): ivm.Module {
    return this.#compile(path, (code, info) => isolate.compileModuleSync(code, info));
  }

  /** @throws GuestFault also where it is a module */
  script(isolate: ivm.Isolate, path: string): ivm.Script {
    return this.#compile(path, (code, info) => isolate.compileScriptSync(code, info));
  }

  #compile<T>(path: string, compile: (code: string, info: ivm.ScriptInfo) => T): T {
    const code = this.text(path);
    const cachedData = this.#cached.get(path);
    const keeps = code.length >= CACHED_FROM;
    const info = {
      filename: path,
      ...(cachedData === undefined ? { produceCachedData: keeps } : { cachedData }),
    };
    try {
      const compiled = compile(code, info);
      const made = (compiled as ivm.CachedDataResult).cachedData;
      if (cachedData === undefined && made !== undefined) this.#cached.set(path, made);
      return compiled;
    } catch (error) {
      throw new GuestFault(
        syntaxError(error as Error, (file) => (file === path ? code : undefined)),
      );
    }
  }
}

/** From this length on a compiled form is worth keeping, characters. */
const CACHED_FROM = 4096;

/**
 * Evaluates the program up to its first pause; the room is settled once its exports are there.
 *
 * @param timeout milliseconds
 * @returns what has to be called again after each pause, and throws what the entry threw meanwhile
 * @throws GuestFault, what the guest throws
 */
export function load(room: Room, sources: Sources, timeout: number): () => void {
  const { program } = sources;
  if (Object.keys(program.files).length === 1) {
    const script = asScript(room, sources);
    if (script !== undefined) {
      const value = room.hold(
        room.hold(script).runSync(room.context, { reference: true, timeout }),
      );
      const holder = room.context.evalClosureSync('return { default: $0 }', [value.derefInto()], {
        result: { reference: true },
      });
      room.bind(room.hold(holder as ivm.Reference<unknown>));
      return () => {};
    }
  }
  return loadModules(room, sources, timeout);
}

/** All that the entry reaches; nothing of it runs. @throws GuestFault */
export function compileOnly(room: Room, sources: Sources): void {
  const isSingle = Object.keys(sources.program.files).length === 1;
  if (!isSingle || asScript(room, sources) === undefined) compileGraph(room, sources);
}

/** Undefined where its text is a module's: as Node tells them apart, by what parses. */
function asScript(room: Room, sources: Sources): ivm.Script | undefined {
  if (sources.isModule) return undefined;
  try {
    return sources.script(room.isolate, sources.program.entry);
  } catch (error) {
    const { guest } = error as GuestFault;
    const isModule = guest?.name === 'SyntaxError' && /import|export|await/.test(guest.message);
    if (!isModule) throw error;
    sources.isModule = true;
    return undefined;
  }
}

function loadModules(room: Room, sources: Sources, timeout: number): () => void {
  const { isolate, context } = room;
  const modules = compileGraph(room, sources);
  const resolve = resolverOf(modules, sources.program);
  const mayPause = [...modules.keys()].some((path) => sources.text(path).includes('await'));
  if (!mayPause) {
    const entry = modules.get(sources.program.entry) as ivm.Module;
    entry.instantiateSync(context, resolve);
    entry.evaluateSync({ timeout });
    room.bind(room.hold(entry.namespace));
    return () => {};
  }
  const root = room.hold(isolate.compileModuleSync(ROOT_SOURCE, { filename: ROOT }));
  room.exposeBind(ROOT);
  root.instantiateSync(context, resolve);
  root.evaluateSync({ timeout });
  // V8 keeps what a module threw, and throws it again.
  return () => root.evaluateSync({ timeout });
}

function resolverOf(modules: Map<string, ivm.Module>, program: Program) {
  const paths = new Map([...modules].map(([path, module]) => [module, path]));
  return (specifier: string, referrer: ivm.Module): ivm.Module => {
    const from = paths.get(referrer);
    const path = from === undefined ? program.entry : resolveImport(program, specifier, from);
    return modules.get(path ?? '') as ivm.Module;
  };
}

/** Every file that the entry reaches. @throws GuestFault that names all imports which lead nowhere */
function compileGraph(room: Room, sources: Sources): Map<string, ivm.Module> {
  const { program } = sources;
  const modules = new Map<string, ivm.Module>();
  const missing = new Set<string>();
  const ahead = [program.entry];
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    if (modules.has(path)) continue;
    const module = room.hold(sources.module(room.isolate, path));
    modules.set(path, module);
    for (const specifier of module.dependencySpecifiers) {
      const found = resolveImport(program, specifier, path);
      if (found === undefined) missing.add(`${JSON.stringify(specifier)} (in ${path})`);
      else ahead.push(found);
    }
  }
  if (missing.size === 0) return modules;
  const files = Object.keys(program.files).join(', ');
  const message = `cannot find ${[...missing].join(', ')}; the program's files are ${files}`;
  throw new GuestFault({ name: 'ImportError', message });
}
