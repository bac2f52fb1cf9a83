/** The documents for the course: both languages say the same, and what they name exists. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ROOT, text } from './load.ts';

const headings = (markdown: string) => markdown.match(/^#+ /gm);
const code = (markdown: string) =>
  [...markdown.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, kind, body]) => [kind, body]);
const links = (markdown: string) =>
  [...markdown.matchAll(/\]\((?!http)([^)#]+)/g)].map(([, target = '']) => join('docs', target));

describe.each(['lab', 'errata'])('%s', (name) => {
  const english = text(`docs/${name}.md`);
  const korean = text(`docs/${name}.ko.md`);

  test('says the same in both languages: as many sections, the same commands, the same files', () => {
    expect(headings(korean)).toEqual(headings(english));
    expect(code(korean)).toEqual(code(english));
    expect(links(korean).map((file) => file.replace('.ko.md', '.md'))).toEqual(links(english));
  });

  test('refers to files that exist', () => {
    const commands = code(english).flatMap(([kind, body]) =>
      kind === 'sh' ? (body?.match(/(?<![\w./-])(?:k8s|istio|samples|test)\/[\w./-]+/g) ?? []) : [],
    );
    expect(commands).not.toEqual([]);
    for (const file of [...commands, ...links(english), ...links(korean)])
      expect(existsSync(join(ROOT, file)), file).toBe(true);
  });

  test('has YAML that parses', () => {
    for (const [kind, body = ''] of code(english))
      if (kind === 'yaml') for (const document of parseAllDocuments(body)) expect(document.errors).toEqual([]);
  });
});
