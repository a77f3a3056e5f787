// Hostile: loads whatever module it is told to.
// Families: module-loading, child-process. As a package: ordinary.
export function call(module, method, argument) {
  return require(module)[method](argument);
}
export const id = (done) => require('node:child_process').execFile('true', done);
