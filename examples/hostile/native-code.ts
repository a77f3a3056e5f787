// Hostile: loads machine code, about which nothing is known.
// Families: native-code. As a package: ordinary.
export function load(): unknown {
  const target = { exports: {} };
  process.dlopen(target, '/nonexistent-caisson/addon.node');
  return target.exports;
}
