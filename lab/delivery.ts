/** How images get from the engine into a cluster: what there is to do, as a plan that can be read. */
import { type Static, Type } from 'typebox';
import type { Command, Image } from './docker.ts';
import type { Maker } from './nodes.ts';
import { Obstacle } from './obstacle.ts';

/** As `crictl images` and `minikube image ls` list them. */
export const Listed = Type.Object({
  id: Type.String(),
  repoTags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  repoDigests: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
});
export type Listed = Static<typeof Listed>;

/** One step: a command, which may read from another one. */
export interface Step {
  says: string;
  command: Command;
  from?: Command;
  /** What is replaced or new then. */
  images: readonly Image[];
}

/** How to ask what the nodes have; an answer for each. */
export function inventory(maker: Maker): { node: string; command: Command }[] {
  if (maker.kind === 'minikube')
    return [
      { node: maker.profile, command: ['minikube', 'image', 'ls', '--format=json', `--profile=${maker.profile}`] },
    ];
  if (!('containers' in maker)) return [];
  return maker.containers.map((node) => ({
    node,
    command: ['docker', 'exec', node, 'crictl', 'images', '--output=json'],
  }));
}

/**
 * What is to be done so that the cluster has these images; nothing where it has them.
 * @param present by node, what `inventory` has found
 * @throws {Obstacle} for a cluster whose nodes this machine cannot reach, and images that name no registry
 */
export function plan(maker: Maker, images: readonly Image[], present: ReadonlyMap<string, readonly Listed[]>): Step[] {
  const missingOn = (node: string) => images.filter((image) => !present.get(node)?.some((it) => isSame(it, image)));
  switch (maker.kind) {
    case 'Docker Desktop, kubeadm':
    case 'a cluster on the engine itself':
      return [];
    case 'Docker Desktop, kind':
    case 'kind':
      return maker.containers.flatMap((node) => {
        const missing = missingOn(node);
        if (missing.length === 0) return [];
        return {
          says: `into the node ${node}`,
          from: ['docker', 'save', ...names(missing)],
          command: [
            'docker',
            'exec',
            '--interactive',
            node,
            'ctr',
            '--namespace=k8s.io',
            'images',
            'import',
            '--digests',
            '-',
          ],
          images: missing,
        };
      });
    case 'minikube':
      return missingOn(maker.profile).map((image) => ({
        says: `into minikube ${maker.profile}`,
        command: ['minikube', 'image', 'load', `--profile=${maker.profile}`, image.name],
        images: [image],
      }));
    case 'k3d': {
      const missing = images.filter((image) => maker.containers.some((node) => missingOn(node).includes(image)));
      if (missing.length === 0) return [];
      return [
        {
          says: `into the nodes of ${maker.name}`,
          command: ['k3d', 'image', 'import', `--cluster=${maker.name}`, ...names(missing)],
          images: missing,
        },
      ];
    }
    case 'another kind of cluster': {
      const local = images.find(({ name }) => !inRegistry(name));
      if (local)
        throw new Obstacle(
          `The nodes of this cluster cannot be handed images from here, and ${local.name} names no registry`,
          'npx pnpm@12 lab images --registry NAME',
        );
      return images.map((image) => ({
        says: 'to its registry',
        command: ['docker', 'push', image.name],
        images: [image],
      }));
    }
  }
}

/** @param registry with a path, such as `ghcr.io/team/bookinfo` */
export function planForRegistry(registry: string, images: readonly Image[]): Step[] {
  return images.flatMap((image) => {
    const name = `${registry.replace(/\/$/, '')}/${image.name.split('/').at(-1)}`;
    return [
      { says: `as ${name}`, command: ['docker', 'tag', image.name, name] satisfies Command, images: [image] },
      { says: `to ${registry}`, command: ['docker', 'push', name] satisfies Command, images: [image] },
    ];
  });
}

/** `ghcr.io/team/reviews:1.0.0` does, `bookinfo-ts/reviews:1.0.0` does not. */
export const inRegistry = (name: string): boolean => /^(localhost|[^/]*[.:][^/]*)\//.test(name);

const names = (images: readonly Image[]): string[] => images.map(({ name }) => name);

/** The same name, and the same content: a tag stays when an image is built anew. */
function isSame({ id, repoTags, repoDigests }: Listed, image: Image): boolean {
  const named = repoTags?.some((tag) => tag === image.name || tag === `docker.io/${image.name}`) ?? false;
  // An engine knows an image by its configuration, or, with containerd's store, by its manifest.
  const [config, manifests] = [`sha256:${id.replace(/^sha256:/, '')}`, repoDigests ?? []];
  return named && (config === image.id || manifests.some((digest) => digest.endsWith(`@${image.id}`)));
}
