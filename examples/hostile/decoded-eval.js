// Hostile: the program is a text in base64; what it says is `console.log("from the payload")`.
// Families: dynamic-code, obfuscation. As a package: refused.
eval(atob('Y29uc29sZS5sb2coImZyb20gdGhlIHBheWxvYWQiKQ=='));
