import { join } from 'node:path';
export const inside = (folder, name) => join('/', folder, name);
