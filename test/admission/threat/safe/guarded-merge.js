export function merge(target, source) {
  for (const key of Object.keys(source)) {
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') continue;
    const value = source[key];
    if (typeof value === 'object' && value !== null) target[key] = merge(target[key] ?? {}, value);
    else target[key] = value;
  }
  return target;
}
