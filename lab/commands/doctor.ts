/** Whether machine, cluster, mesh and application are ready for the lab. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { Command } from '@commander-js/extra-typings';
import { parseAllDocuments } from 'yaml';
import * as kubernetes from '../doctor/cluster.ts';
import type { Finding } from '../doctor/finding.ts';
import * as machine from '../doctor/machine.ts';
import * as mesh from '../doctor/mesh.ts';
import { type Cluster, connect, listOf } from '../kubectl.ts';
import { makerOf, nodesOf } from '../nodes.ts';
import { Obstacle } from '../obstacle.ts';
import { Pod } from '../pods.ts';

export const doctor = new Command('doctor')
  .summary('whether everything is ready for the lab, and what to do if not')
  .description(
    'Looks at machine, cluster, mesh and application, changes nothing, and says what to do where something is missing.',
  )
  .option('-n, --namespace <name>', 'where Bookinfo is', 'default')
  .option('--context <name>', 'of kubectl, instead of the current one')
  .option('--json', 'for programs')
  .addHelpText(
    'after',
    `
  ✓ fine   ○ its turn has not come yet   ! worth knowing   ✗ stands in the way: exit code 1

Examples:
  npx pnpm@12 lab doctor
  npx pnpm@12 lab doctor --json`,
  )
  .action(async ({ namespace, context, json }) => {
    const findings = await examine(namespace, context);
    if (json) console.log(JSON.stringify({ findings }));
    else for (const finding of findings) console.log(line(finding));
    if (findings.some(({ state }) => state === 'obstacle')) process.exitCode = 1;
  });

async function examine(namespace: string, context: string | undefined): Promise<Finding[]> {
  const cluster = await connect({ context }).catch((error: unknown) => {
    if (error instanceof Obstacle) return error;
    throw error;
  });
  if (cluster instanceof Obstacle) {
    const none: Finding = { what: 'cluster', state: 'obstacle', seen: cluster.problem, next: cluster.next };
    return [machine.node(), ...(await Promise.all([machine.docker(true), machine.ports()])), none];
  }
  const [docker, ports, inside] = await Promise.all([
    machine.docker(false),
    machine.ports(),
    examineCluster(cluster, namespace),
  ]);
  return [machine.node(), docker, ports, ...inside];
}

async function examineCluster(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const [nodes, pods, istioctl] = await Promise.all([
    nodesOf(cluster),
    cluster.get(listOf(Pod), 'pods', '--all-namespaces').then(({ items }) => items.filter(isStaying)),
    machine.istioctlVersion(),
  ]);
  const istiod = pods.filter(({ metadata }) => metadata.labels?.app === 'istiod');
  const { deployments, images } = application();
  const bookinfo = pods.filter(
    ({ metadata }) => metadata.namespace === namespace && deployments.some(({ app }) => app === metadata.labels?.app),
  );
  const names = deployments.map(({ name }) => name);
  const missing = [...(istiod.length ? [] : (['istio'] as const)), ...(bookinfo.length ? [] : (['bookinfo'] as const))];
  return [
    kubernetes.nodes(cluster, makerOf(nodes), nodes),
    kubernetes.kubernetes(cluster),
    kubernetes.capacity(nodes, pods, missing),
    kubernetes.images(nodes, images, bookinfo.length > 0),
    mesh.istio(istiod, istioctl),
    mesh.bookinfo(names, bookinfo),
    ...(istiod.length > 0
      ? await Promise.all([
          mesh.sidecars(cluster, namespace, bookinfo),
          mesh.gatewayApi(cluster),
          mesh.gateway(cluster),
        ])
      : []),
  ];
}

const isStaying = ({ metadata }: Pod): boolean => metadata.deletionTimestamp === undefined;

interface Deployment {
  kind: string;
  metadata: { name: string; labels: { app: string } };
  spec: { template: { spec: { containers: { image: string }[] } } };
}

/** What k8s/bookinfo.yaml deploys. */
function application(): { deployments: { name: string; app: string }[]; images: string[] } {
  const file = readFileSync(join(import.meta.dirname, '../../k8s/bookinfo.yaml'), 'utf8');
  const deployments = parseAllDocuments(file)
    .map((document) => document.toJS() as Deployment)
    .filter(({ kind }) => kind === 'Deployment');
  return {
    deployments: deployments.map(({ metadata }) => ({ name: metadata.name, app: metadata.labels.app })),
    images: [...new Set(deployments.flatMap(({ spec }) => spec.template.spec.containers.map(({ image }) => image)))],
  };
}

const SIGNS = {
  fine: { sign: '✓', style: 'green' },
  later: { sign: '○', style: 'cyan' },
  note: { sign: '!', style: 'yellow' },
  obstacle: { sign: '✗', style: 'red' },
} as const;

function line({ what, state, seen, next }: Finding): string {
  const { sign, style } = SIGNS[state];
  return `${styleText(style, sign)} ${what.padEnd(11)} ${seen}${next ? ` → ${styleText('bold', next)}` : ''}`;
}
