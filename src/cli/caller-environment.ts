/**
 * What a guest may be passed of the caller's environment: not what our own entry script put there.
 */
export function callerEnvironment(): NodeJS.ProcessEnv {
  const { NODE_COMPILE_CACHE, ...rest } = process.env;
  return rest;
}
