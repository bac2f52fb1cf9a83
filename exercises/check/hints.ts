import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDER } from './layers.ts';

export const README = { en: 'README.md', ko: 'README.ko.md' };

/** The hints of an exercise: the sections below the README's one on hints. */
export function hintsOf(name: string, language: keyof typeof README): string[] {
  const readme = readFileSync(join(FOLDER, name, README[language]), 'utf8');
  const section = readme.split(/^## /m).find((it) => /^(Hints|힌트)\n/.test(it)) ?? '';
  return section
    .split(/^### /m)
    .slice(1)
    .map((text) => text.trim());
}
