/**
 * What srt never lets be written below the working directory, whatever its settings say: files that some tool runs, or
 * takes orders from, without being asked. srt looks for them to a depth of 3 when a command starts; here they hold at every
 * depth, and for what is made later.
 */
export const SRT_ALWAYS_DENIED: readonly string[] = [
  '**/.gitconfig',
  '**/.gitmodules',
  '**/.bashrc',
  '**/.bash_profile',
  '**/.zshrc',
  '**/.zprofile',
  '**/.profile',
  '**/.ripgreprc',
  '**/.mcp.json',
  '**/.vscode',
  '**/.idea',
  '**/.claude/commands',
  '**/.claude/agents',
  '**/.git/hooks',
  '**/.git/config',
];
