/**
 * Which test files run beside others. Told from what a file is made of, so that nobody keeps a list: one that holds a
 * launcher in its own process, or looks around on the machine, stands alone. The CLI in a place of its own does neither: what
 * such a test looks at is what that program says and leaves in that place.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';

const repository = resolve(import.meta.dirname, '..');

/** Whoever reaches one of them, at whatever distance, can start a guest, a host or a service in its own process. */
const HOLDS_LAUNCHER =
  /^src\/(?:launcher\/(?:client|locate|launcher-process|vault-process)\.ts|(?:index|standalone|server\/serve)\.ts|(?:compose|fleet)\/.*)$/;

/** Programs of ours by a name that is no import, and what is built. */
const RUNS_PROGRAM = /bin\/caisson|packaging\/|native\/|caisson-launcher|'(?:npm|docker|gcc|cc)'/;

/** What others change meanwhile, and what changes it for others. */
const LOOKS_AROUND =
  /readdir(?:Sync)?\(\s*['"`]\/proc|'(?:ps|u?mount|ip|nft|sysctl)'|\b(?:pgrep|pkill|mountinfo|unshare|nsenter|setpriv|loadavg|meminfo|prlimit|slabinfo)\b|\/sys\/fs\/cgroup|\/proc\/(?:net|mounts|sys)\b/;

/** The one way to the CLI: a home, a state and a directory to work in of its own. */
const PLACE = 'test/cli/caisson.ts';

/** @returns why a test file stands alone; nothing where it may run beside others. */
export function standsAlone(file: string): string | undefined {
  const seen = new Set<string>();
  const open = [resolve(file)];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const name = relative(repository, path);
    if (HOLDS_LAUNCHER.test(name)) return `reaches ${name}`;
    if (name.startsWith('node_modules') || name === PLACE) continue;
    const text = withoutTypes(readFileSync(path, 'utf8'));
    // Our own programs look around for what belongs to them.
    const why = name.startsWith('src/')
      ? null
      : (RUNS_PROGRAM.exec(text) ?? LOOKS_AROUND.exec(text));
    if (why !== null) return `${name} has ${why[0]}`;
    open.push(...namedModules(path, text));
  }
  return undefined;
}

function withoutTypes(text: string): string {
  return text.replaceAll(/^(?:import|export) type [^;]*;/gm, '');
}

/** Imports, and programs that are started: every literal that leads to a module from here or from the repository. */
function namedModules(path: string, text: string): string[] {
  return [...text.matchAll(/(['"`])([\w@./-]+\.(?:ts|mjs|js))\1/g)].flatMap(([, , name = '']) =>
    [resolve(dirname(path), name), resolve(repository, name)].filter(
      (each) => existsSync(each) && statSync(each).isFile(),
    ),
  );
}
