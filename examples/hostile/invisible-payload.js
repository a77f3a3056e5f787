// Hostile: the program is written in variation selectors, which show nothing at all; it says `1`.
// Families: obfuscation, dynamic-code. As a package: refused.
const hidden = '︁︁︁︁︁︁︁︁︁︁︁︁';
const code = [...hidden].map((sign) => String.fromCharCode(sign.codePointAt(0) - 0xfe00 + 0x30)).join('');
eval(code.slice(0, 1));
