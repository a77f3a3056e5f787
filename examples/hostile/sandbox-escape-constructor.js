// Hostile: climbs from an object that the host handed in to the host's own Function.
// Families: sandbox-escape. As a package: refused.
export function handler(input) {
  const host = input.constructor.constructor('return process')();
  return host.version;
}
