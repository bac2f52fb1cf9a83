/** Builds the images that are missing, and brings them to where the cluster's nodes find them. */
import { Command } from '@commander-js/extra-typings';
import { Type } from 'typebox';
import { inventory, Listed, plan, planForRegistry, type Step } from '../delivery.ts';
import { type Image, imagesOf, json, run } from '../docker.ts';
import { type Cluster, connect, listOf } from '../kubectl.ts';
import { makerOf, nodesOf } from '../nodes.ts';
import { Obstacle } from '../obstacle.ts';
import { Pod } from '../pods.ts';

export const images = new Command('images')
  .summary('builds what is missing, and brings it to where the cluster finds it')
  .description(
    'Builds the images that are missing, and brings them to where the nodes of the cluster find them; after a build again only what has changed.',
  )
  .option('--build', 'build all of them again, as after a change of the sources')
  .option(
    '--group <name>',
    'of docker-bake.hcl: default, or drop-in for those under the names of the original',
    'default',
  )
  .option('--set <override>', 'for docker buildx bake; may be given several times', (it, before: string[] = []) => [
    ...before,
    it,
  ])
  .option('--registry <name>', 'push them there, as in ghcr.io/team/bookinfo, instead of into the cluster')
  .option('--context <name>', 'of kubectl, instead of the current one')
  .addHelpText(
    'after',
    `
Docker Desktop (kubeadm) uses the engine's images; those of kind, minikube and k3d are put into every node.

Examples:
  npx pnpm@12 lab images
  npx pnpm@12 lab images --build
  npx pnpm@12 lab images --registry ghcr.io/team/bookinfo
  npx pnpm@12 lab images --set '*.secrets=id=npmrc,src=.npmrc'`,
  )
  .action(async ({ build: again = false, group, set = [], registry, context }) => {
    const cluster = registry === undefined ? await connect({ context, toChange: true }) : undefined;
    const images = await build(group, again, set);
    if (cluster) await deliver(cluster, images);
    else if (registry) {
      await carryOut(planForRegistry(registry, images));
      console.log(`Next, to deploy from there: npx pnpm@12 k8s:generate --registry ${registry}`);
    }
  });

async function build(group: string, again: boolean, set: string[]): Promise<Image[]> {
  const wanted = await imagesOf(group);
  const missing = wanted.filter(({ id }) => again || id === undefined);
  if (missing.length === 0) {
    console.log(`Built before: ${names(wanted)}`);
    return wanted;
  }
  console.log(`Building ${names(missing)}`);
  const targets = [...new Set(missing.map(({ target }) => target))];
  const overrides = set.map((it) => `--set=${it}`);
  if (!(await run(['docker', 'buildx', 'bake', '--load', ...overrides, ...targets])))
    throw new Obstacle('The build has failed, as said above', 'behind a proxy: docs/containers.md, "Images"');
  return imagesOf(group);
}

const CriImages = Type.Object({ images: Type.Array(Listed) });

async function deliver(cluster: Cluster, images: Image[]): Promise<void> {
  const maker = makerOf(await nodesOf(cluster));
  const lists = inventory(maker).map(async ({ node, command }): Promise<[string, Listed[]]> => {
    const answer = await json(Type.Union([CriImages, Type.Array(Listed)]), ...command).catch((error: unknown) => {
      if (!(error instanceof Obstacle) || !/No such container/i.test(error.problem)) throw error;
      const next = 'Docker Desktop: Settings → Kubernetes → Show system containers; else another docker context';
      throw new Obstacle(`The engine knows no container ${node}`, next);
    });
    return [node, Array.isArray(answer) ? answer : answer.images];
  });
  const steps = plan(maker, images, new Map(await Promise.all(lists)));
  if (steps.length === 0) {
    console.log(`${maker.kind}, context ${cluster.context}: nothing to do, it has them`);
    return;
  }
  console.log(`${maker.kind}, context ${cluster.context}:`);
  await carryOut(steps);
  await sayWhoIsOld(cluster, new Set(steps.flatMap(({ images }) => images.map(({ name }) => name))));
}

async function carryOut(steps: Step[]): Promise<void> {
  for (const { says, command, from, images } of steps) {
    console.log(`${names(images)} ${says}`);
    if (!(await run(command, from)))
      throw new Obstacle(`${command.slice(0, 3).join(' ')} has failed, as said above`, 'npx pnpm@12 lab doctor');
  }
}

/** Pods that run go on with what they were started from. */
async function sayWhoIsOld(cluster: Cluster, replaced: ReadonlySet<string>): Promise<void> {
  const { items } = await cluster.get(listOf(Pod), 'pods', '--all-namespaces');
  const old = items.filter(({ spec }) => spec.containers.some(({ image }) => replaced.has(image)));
  for (const namespace of new Set(old.map(({ metadata }) => metadata.namespace)))
    console.log(`Next, for pods that run already: kubectl rollout restart deployment -n ${namespace}`);
}

const names = (images: readonly Image[]): string => images.map(({ name }) => name).join(', ');
