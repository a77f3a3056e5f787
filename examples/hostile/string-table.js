// Hostile: what an obfuscator makes of a few lines: numbers for names, all texts in one table.
// Families: obfuscation, child-process. As a package: refused.
const _0x3f1a = ['\x6c\x6f\x67', '\x65\x78\x65\x63', '\x63\x68\x69\x6c\x64\x5f\x70\x72\x6f\x63\x65\x73\x73', '\x74\x72\x75\x65', '\x65\x6e\x76', '\x50\x41\x54\x48', '\x6c\x65\x6e\x67\x74\x68', '\x73\x70\x6c\x69\x74', '\x6a\x6f\x69\x6e', '\x72\x65\x76\x65\x72\x73\x65', '\x73\x68\x69\x66\x74'];
const _0x21bc = (_0x5d20, _0x1af3) => _0x3f1a[_0x5d20 - 0x1f2];
const _0x40ce = _0x21bc;
const _0x2b77 = require(_0x40ce(0x1f4));
const _0x1c09 = _0x40ce(0x1f3);
const _0x5e11 = _0x40ce(0x1f5);
const _0x77aa = (_0x9b01) => _0x2b77[_0x1c09](_0x9b01, (_0x4d4d) => _0x4d4d);
const _0x6f6f = (_0x8e8e) => _0x8e8e[_0x40ce(0x1f8)];
_0x77aa(_0x5e11);
console[_0x40ce(0x1f2)](_0x6f6f(_0x5e11));
