export const LEVELS = ['low', 'middle', 'high'] as const;
export type Level = (typeof LEVELS)[number];
export const isLevel = (text: string): text is Level =>
  (LEVELS as readonly string[]).includes(text);
