// Hostile: copies keys that the caller chooses, __proto__ among them, into every object's prototype.
// Families: prototype-pollution. As a package: ordinary.
export function merge(target, source) {
  for (const key in source) {
    if (typeof source[key] === 'object') {
      target[key] ??= {};
      for (const inner in source[key]) target[key][inner] = source[key][inner];
    } else {
      target[key] = source[key];
    }
  }
  return target;
}
({}).__proto__.isAdmin = false;
