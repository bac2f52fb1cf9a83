/** Takes away what the lessons have made. */
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { Type } from 'typebox';
import { confirm } from '../confirm.ts';
import { type Cluster, connect, listOf, requireIstio } from '../kubectl.ts';
import { keyOf, type Made, madeByLessons, ROUTING, typeOf } from '../made.ts';
import { Obstacle } from '../obstacle.ts';

const ROOT = join(import.meta.dirname, '../..');

export const reset = new Command('reset')
  .summary('back to the state after the first lab: only what the lessons have made goes')
  .description(
    'Takes away what the lessons have made, by kind and name, and applies the gateway and the subsets of the first lab again. What you have made under other names stays, and so do the application, Istio, its addons and the namespaces.',
  )
  .option('-n, --namespace <name>', 'where Bookinfo is', 'default')
  .option('--context <name>', 'of kubectl, instead of the current one')
  .option('--yes', 'do not ask')
  .addHelpText(
    'after',
    `
To remove Bookinfo altogether: NAMESPACE=default k8s/cleanup.sh

Examples:
  npx pnpm@12 lab reset
  npx pnpm@12 lab reset --yes`,
  )
  .action(async ({ namespace, context, yes }, command) => {
    const cluster = await connect({ context, toChange: true });
    await requireIstio(cluster);
    if (!(await cluster.has('deployment/productpage-v1', `--namespace=${namespace}`)))
      throw new Obstacle(`Bookinfo is not deployed in ${namespace}`, 'kubectl apply -f k8s/bookinfo.yaml');
    const found = await existing(cluster, namespace);
    console.log(`Context ${cluster.context}:`);
    for (const it of found) console.log(`  ${it.namespace}: ${it.kind} ${it.name}`);
    if (found.length === 0) console.log('  nothing of the lessons is there');
    else if (!yes && !process.stdin.isTTY) command.error('error: there is nobody to ask: say --yes');
    else if (!yes && !(await confirm(`Delete ${found.length === 1 ? 'it' : `these ${found.length}`}?`)))
      return console.log('Nothing was changed.');
    for (const [where, those] of Map.groupBy(found, (it) => it.namespace)) {
      const names = those.map((it) => `${typeOf(it)}/${it.name}`);
      console.log(await cluster.kubectl(['delete', ...names, `--namespace=${where}`, '--ignore-not-found']));
    }
    // A lesson's file may have replaced what the first lab has made under the same name.
    const files = ROUTING.map((file) => `--filename=${join(ROOT, file)}`);
    console.log(await cluster.kubectl(['apply', ...files, `--namespace=${namespace}`]));
  });

const Items = listOf(
  Type.Object({
    apiVersion: Type.String(),
    kind: Type.String(),
    metadata: Type.Object({ name: Type.String(), namespace: Type.String() }),
  }),
);

/** Those that the cluster has, with the volumes of the databases among them. */
async function existing(cluster: Cluster, namespace: string): Promise<Made[]> {
  const served = new Set((await cluster.kubectl(['api-versions'])).split('\n'));
  const made = madeByLessons(namespace).filter(({ apiVersion }) => served.has(apiVersion));
  const wanted = new Set(made.map(keyOf));
  const found = await Promise.all(
    [...Map.groupBy(made, (it) => it.namespace)].map(async ([where, those]) => {
      const types = [...new Set(those.map(typeOf))].join();
      const [objects, volumes] = await Promise.all([
        cluster.get(Items, types, `--namespace=${where}`),
        cluster.get(Items, 'persistentvolumeclaims', `--namespace=${where}`, '--selector=app in (mongodb, mysqldb)'),
      ]);
      const flat = ({ items }: typeof objects) =>
        items.map(({ apiVersion, kind, metadata }): Made => ({ apiVersion, kind, ...metadata }));
      return [...flat(objects).filter((it) => wanted.has(keyOf(it))), ...flat(volumes)];
    }),
  );
  return found.flat();
}
