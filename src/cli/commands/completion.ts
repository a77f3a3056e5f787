/** `caisson completion SHELL`. */
import type { Action } from '../command.ts';
import { commands } from '../commands.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';

const scripts: Readonly<Record<string, typeof bashCompletion>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export const action: Action = async ({ positionals: [shell = ''] }) => {
  const text = scripts[shell]?.(commands) ?? '';
  return { exit: 0, document: { shell, script: text }, text };
};
