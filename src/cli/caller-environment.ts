/**
 * What a guest may be passed of the caller's environment: not what our own entry script put there.
 *
 * @param but names that are left out, without reading them
 */
export function callerEnvironment(but: readonly string[] = []): NodeJS.ProcessEnv {
  const left = new Set(['NODE_COMPILE_CACHE', ...but]);
  // One by one: what is asked for becomes a string.
  const names = Object.keys(process.env).filter((name) => !left.has(name));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}
