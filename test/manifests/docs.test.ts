/** The documents: both languages say the same, what they name exists, and their commands are understood by bash and zsh. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { en } from '../../services/productpage/src/messages/en.ts';
import { ko } from '../../services/productpage/src/messages/ko.ts';
import { ROOT, text } from './load.ts';

const DOCUMENTS = globSync(['*.md', '{docs,istio,k8s,exercises}/**/*.md'], {
  cwd: ROOT,
  exclude: ['**/node_modules/**'],
}).toSorted();
const BILINGUAL = DOCUMENTS.filter((name) => DOCUMENTS.includes(korean(name)));

function korean(english: string): string {
  return english.replace('.md', '.ko.md');
}

const headings = (markdown: string) => markdown.match(/^#+ /gm);
const blocks = (markdown: string) =>
  [...markdown.matchAll(/^( *)```(\w+)([^\n]*)\n(.*?)^\1```$/gms)].map(([, , kind = '', files = '', body = '']) => ({
    kind,
    files,
    body,
  }));
const shell = (markdown: string) =>
  blocks(markdown)
    .filter(({ kind }) => kind === 'sh')
    .map(({ body }) => body);

/** Files and headings that a document links to, as paths from the root; those of other sites are left out. */
const links = (file: string) =>
  [...text(file).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].map(([, path = '', anchor]) => ({
    path: path === '' ? file : join(dirname(file), path),
    anchor,
  }));

/** The anchors that GitHub gives the headings of a document. */
const anchors = (file: string) =>
  (text(file).match(/^#+ .*$/gm) ?? []).map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** What the shell itself reads of commands: neither what is quoted nor what is handed over as a here-document. */
const unquoted = (commands: string) =>
  commands
    .replace(/<<'(\w+)'.*?^\1$/gms, '')
    .replace(/'[^']*'/g, "''")
    .replace(/"(?:\\.|[^"\\])*"/gs, '""');

const installed = (program: string) => spawnSync(program, ['-c', ':']).status === 0;

describe.each(BILINGUAL)('%s and its Korean version', (file) => {
  test('say the same: as many sections, the same commands, the same files', () => {
    const [english, translation] = [text(file), text(korean(file))];
    expect(headings(translation)).toEqual(headings(english));
    const comparable = (markdown: string) => blocks(markdown).map((it) => (it.kind === 'mermaid' ? it.kind : it));
    expect(comparable(translation)).toEqual(comparable(english));
    const paths = (name: string) => links(name).map(({ path }) => path.replace('.ko.', '.'));
    expect(paths(korean(file))).toEqual(paths(file));
  });

  test('leads on to Korean where there is some', () => {
    for (const { path } of links(korean(file))) expect(BILINGUAL).not.toContain(path);
  });
});

describe.each(DOCUMENTS)('%s', (file) => {
  const commands = shell(text(file));

  test('refers to files and headings that exist', () => {
    for (const { path, anchor } of links(file)) {
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      if (anchor && path.endsWith('.md')) expect(anchors(path), path).toContain(anchor);
    }
    // Those of extending.md make files; test/e2e/extending.test.ts follows them.
    if (file.startsWith('docs/extending')) return;
    // An exercise, and those that it stands on, lay down files, and for their services those that new:service would make.
    const layers = file.startsWith('exercises/') ? globSync('exercises/*/{start,solution}', { cwd: ROOT }) : [];
    const laidAs = (path: string) => [path, path.replace('k8s/kustomize/app/', 'services/')];
    const exists = (path: string) =>
      existsSync(join(ROOT, path)) ||
      layers.some((layer) => laidAs(path).some((it) => existsSync(join(ROOT, layer, it))));
    for (const path of commands.join('').match(/(?<![\w./-])(?:k8s|istio|samples|test)\/[\w./-]+(?![\w./:-])/g) ?? [])
      expect(exists(path), path).toBe(true);
  });

  test('has YAML that parses', () => {
    for (const { body } of blocks(text(file)).filter(({ kind }) => kind === 'yaml'))
      for (const document of parseAllDocuments(body)) expect(document.errors).toEqual([]);
  });

  test.for(['bash', 'zsh'])('has commands that %s can read', (program, { skip }) => {
    if (!installed(program)) skip(`${program} is not installed`);
    for (const body of commands) expect(spawnSync(program, ['-n'], { input: body }).stderr.toString(), body).toBe('');
  });

  test('has commands that can be pasted into an interactive zsh, which knows no comments and insists on file patterns', () => {
    for (const body of commands) expect(unquoted(body), body).not.toMatch(/(^|\s)#|[?[\]]/m);
  });
});

test('where a command of the lab says to read on, there is a section of that title', () => {
  const sources = globSync('lab/**/*.ts', { cwd: ROOT }).map(text).join('');
  const named = [...sources.matchAll(/([\w/]+\.md), "([^"]+)"/g)].map(([, file = '', title = '']) => ({ file, title }));
  expect(named).not.toEqual([]);
  for (const { file, title } of named)
    expect(
      text(file)
        .match(/^#+ .*$/gm)
        ?.map((heading) => heading.replace(/^#+ (\d+\. )?/, '')),
    ).toContain(title);
});

test.each(['docs/lab.md', 'docs/lab.ko.md'])('%s quotes the page as it is in either language', (file) => {
  const table = text(file).split('| English | 한국어 |')[1]?.split('\n\n')[0] ?? '';
  const rows = [...table.matchAll(/^\| (?!-)(.+) \| (.+) \|$/gm)].map(([, english, translation]) => [
    english,
    translation,
  ]);
  const page = Object.entries(en).map(([key, words]) => [words, ko[key as keyof typeof ko]]);
  expect(rows).not.toEqual([]);
  for (const row of rows) expect(page).toContainEqual(row);
});
