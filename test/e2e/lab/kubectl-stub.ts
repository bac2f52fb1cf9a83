/** Plays kubectl for the commands of lab, as far as they use it; as a program it is told by KUBECTL_STUB what there is. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Manifest } from '../../manifests/load.ts';

export interface Answers {
  objects: Manifest[];
  /** What is printed for a command line that has this in it. */
  answers: Record<string, string>;
}

const OPTIONS = ['context', 'namespace', 'output', 'selector', 'field-selector', 'request-timeout', 'raw', 'container'];
const CLUSTERWIDE = ['Namespace', 'Node', 'CustomResourceDefinition'];

/** `deployments`, `deployment` and `deployments.apps` are one kind. */
function isOf(word: string, { apiVersion, kind }: Manifest): boolean {
  const [name = '', ...group] = word.toLowerCase().split('.');
  const singular = kind === 'CustomResourceDefinition' ? 'crd' : kind.toLowerCase();
  const names = [singular, `${singular}s`, singular.replace(/y$/, 'ies')];
  return names.includes(name) && (group.length === 0 || apiVersion.startsWith(`${group.join('.')}/`));
}

/** `a=b`, `a`, `a in (b, c)`. */
function selects(selector: string, labels: Record<string, string>): boolean {
  const [, name = '', list] = /^(\S+) in \((.*)\)$/.exec(selector) ?? [];
  if (list) return list.split(', ').includes(labels[name] ?? '');
  const [key = '', value] = selector.split('=');
  return value === undefined ? key in labels : labels[key] === value;
}

/**
 * What kubectl prints.
 * @throws {Error} with what it says when it fails
 */
export function answerOf({ objects, answers }: Answers, args: readonly string[]): string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    strict: false,
    options: Object.fromEntries(OPTIONS.map((name) => [name, { type: 'string' as const }])),
  });
  const option = (name: string) => values[name] as string | undefined;
  const line = args.join(' ');
  const scripted = Object.entries(answers).find(([part]) => line.includes(part));
  if (scripted) return scripted[1];
  const [verb, ...words] = positionals;
  if (verb === 'config')
    return '{"current-context":"stub","clusters":[{"cluster":{"server":"https://127.0.0.1:6443"}}]}';
  if (option('raw') === '/version') return '{"gitVersion":"v1.34.0"}';
  if (verb !== 'get' || option('raw')) throw new Error(`the stub does not know: ${line}`);

  const [kinds = '', name] = words[0]?.includes('/') ? words[0].split('/') : words;
  const field = option('field-selector')?.replace('metadata.name=', '');
  const found = objects.filter((it) => {
    const { name: called, namespace = 'default', labels = {} } = it.metadata;
    return (
      kinds.split(',').some((word) => isOf(word, it)) &&
      called === (name ?? field ?? called) &&
      (CLUSTERWIDE.includes(it.kind) || namespace === (option('namespace') ?? 'default')) &&
      (option('selector') === undefined || selects(option('selector') ?? '', labels))
    );
  });
  if (option('output') === 'name') return found.map((it) => `${it.kind.toLowerCase()}/${it.metadata.name}`).join('\n');
  if (name === undefined) return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: found });
  if (found[0]) return JSON.stringify(found[0]);
  throw new Error(`Error from server (NotFound): ${kinds} "${name}" not found`);
}

if (import.meta.main) {
  try {
    console.log(answerOf(JSON.parse(readFileSync(process.env.KUBECTL_STUB ?? '', 'utf8')), process.argv.slice(2)));
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
