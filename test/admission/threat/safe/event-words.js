// Words that danger is told in are harmless in a text.
export const help =
  'Use eval, exec, curl or process.env only in your own scripts; never rm -rf anything.';
export const isNamed = (word) => help.includes(word);
