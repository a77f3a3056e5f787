// Hostile: a program as a list of numbers, each one off; what it says is `console.log("unpacked")`.
// Families: dynamic-code, obfuscation. As a package: refused.
const codes = [100, 112, 111, 116, 112, 109, 102, 47, 109, 112, 104, 41, 35, 118, 111, 113, 98, 100, 108, 102, 101, 35, 42];
let program = '';
for (const code of codes) program += String.fromCharCode(code - 1);
const run = new Function(program);
const hidden = Buffer.from('Y29uc29sZS5sb2coMSk=', 'base64').toString();
run();
eval(hidden);
