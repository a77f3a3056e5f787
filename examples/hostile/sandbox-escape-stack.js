// Hostile: takes functions of the host out of a stack trace.
// Families: sandbox-escape. As a package: refused.
let taken;
Error.prepareStackTrace = (_, frames) => {
  taken = frames.map((frame) => frame.getThis?.() ?? frame.getFunction());
  return '';
};
void new Error('x').stack;
export const host = taken;
