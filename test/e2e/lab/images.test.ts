/** `npx pnpm@12 lab images`, as it is typed, with programs that only write down how they were called. */
import { describe, expect, test } from 'vitest';
import { type Answers, StubPrograms } from '../../support/stub-programs.ts';
import { cluster, node, pod } from './stub-cluster.ts';

const SERVICES = ['productpage', 'details', 'reviews', 'ratings'];
const NAMES = SERVICES.map((it) => `bookinfo-ts/${it}:1.0.0`);
const ids = Object.fromEntries(NAMES.map((name, i) => [name, `sha256:${String(i).repeat(64)}`]));
const bake = {
  target: {
    ...Object.fromEntries(SERVICES.map((it) => [`${it}-v1`, { tags: [`bookinfo-ts/${it}:1.0.0`] }])),
    base: { tags: ['only-built-on:1.0.0'], output: [{ type: 'cacheonly' }] },
  },
};

/** An engine that has these images, all unless others are named. */
const docker = (built: string[] = NAMES, more: Answers = {}): Answers => {
  const answers: Answers = {
    'buildx bake --print *': bake,
    'buildx bake --load*': '',
    ...Object.fromEntries(built.map((name) => [`image inspect ${name}`, [{ Id: ids[name] }]])),
    'save *': 'archive',
    'exec --interactive *': '',
    'tag *': '',
    'push *': '',
  };
  return { ...more, ...answers, ...more };
};
/** What `crictl images` says of a node that has these. */
const listed = (images: Record<string, string>) => ({
  images: Object.entries(images).map(([name, id]) => ({ id, repoTags: [`docker.io/${name}`], repoDigests: [] })),
});

const KIND = { name: 'desktop-control-plane' };
const KUBEADM = { name: 'docker-desktop', providerID: '', runtime: 'docker://28.2.2' };
const MINIKUBE = { name: 'minikube', labels: { 'minikube.k8s.io/name': 'lab' } };
const K3D = { name: 'k3d-lab-server-0', providerID: 'k3s://k3d-lab-server-0' };
const ELSEWHERE = { name: 'ip-10-0-0-7', providerID: 'aws:///i-0' };

interface Situation {
  node?: Parameters<typeof node>[0];
  programs: Record<string, Answers>;
  args?: string[];
}

/** What was printed, and what was called beside questions. */
async function bring({ node: options = KIND, programs, args = [] }: Situation) {
  const kubectl = cluster({ nodes: [node(options)], pods: [pod('reviews-v2')] });
  await using stubs = await StubPrograms.create({ kubectl, ...programs });
  const { stdout, stderr, exitCode } = await stubs.lab(['images', ...args]);
  const questions = /^kubectl|--print|inspect|crictl|image ls/;
  return { stdout, stderr, exitCode, done: (await stubs.calls()).filter((call) => !questions.test(call)) };
}

describe('npx pnpm@12 lab images', () => {
  test('Docker Desktop, kubeadm: builds what is missing, and the cluster has it', async () => {
    const { stdout, exitCode, done } = await bring({ node: KUBEADM, programs: { docker: docker(NAMES.slice(1)) } });
    expect(exitCode).toBe(0);
    expect(done).toEqual(['docker buildx bake --load productpage-v1']);
    expect(stdout).toContain('Building bookinfo-ts/productpage:1.0.0');
    expect(stdout).toContain('Docker Desktop, kubeadm, context docker-desktop: nothing to do, it has them');
  });

  test.for(['desktop-control-plane', 'bookinfo-control-plane'])(
    'kind: %s gets what it does not have, or has of an older build',
    async (name) => {
      const [old = '', ...others] = NAMES;
      const had = {
        [old]: 'sha256:of-an-older-build',
        ...Object.fromEntries(others.slice(1).map((it) => [it, ids[it] ?? ''])),
      };
      const { stdout, exitCode, done } = await bring({
        node: { name, providerID: `kind://docker/x/${name}` },
        programs: { docker: docker(NAMES, { [`exec ${name} crictl *`]: listed(had) }) },
      });
      expect(exitCode).toBe(0);
      expect(done.toSorted()).toEqual([
        `docker exec --interactive ${name} ctr --namespace=k8s.io images import --digests -`,
        'docker save bookinfo-ts/productpage:1.0.0 bookinfo-ts/details:1.0.0',
      ]);
      expect(stdout).toContain(`bookinfo-ts/productpage:1.0.0, bookinfo-ts/details:1.0.0 into the node ${name}`);
    },
  );

  test('pods that go on with the old image are named', async () => {
    const { stdout } = await bring({ programs: { docker: docker(NAMES, { '*crictl*': listed({}) }) } });
    expect(stdout).toContain('Next, for pods that run already: kubectl rollout restart deployment -n default');
  });

  test('a second time there is nothing to do', async () => {
    const { stdout, done } = await bring({ programs: { docker: docker(NAMES, { '*crictl*': listed(ids) }) } });
    expect(done).toEqual([]);
    expect(stdout).toContain('nothing to do, it has them');
  });

  test('an engine with the store of containerd knows an image by its manifest', async () => {
    const images = NAMES.map((name) => ({
      id: 'sha256:of-the-configuration',
      repoTags: [`docker.io/${name}`],
      repoDigests: [`docker.io/library/import-2026-11-25@${ids[name]}`],
    }));
    const { done } = await bring({ programs: { docker: docker(NAMES, { '*crictl*': { images } }) } });
    expect(done).toEqual([]);
  });

  test('minikube and k3d get them by their own programs', async () => {
    const minikube = await bring({
      node: MINIKUBE,
      programs: {
        docker: docker(),
        minikube: { 'image ls *': [{ id: '0'.repeat(64), repoTags: [`docker.io/${NAMES[0]}`] }], 'image load *': '' },
      },
    });
    expect(minikube.done).toEqual(NAMES.slice(1).map((name) => `minikube image load --profile=lab ${name}`));
    const k3d = await bring({
      node: K3D,
      programs: { docker: docker(NAMES, { '*crictl*': listed({}) }), k3d: { 'image import *': '' } },
    });
    expect(k3d.done).toEqual([`k3d image import --cluster=lab ${NAMES.join(' ')}`]);
  });

  test('--registry pushes them under its name, and says how to deploy from there', async () => {
    const { stdout, exitCode, done } = await bring({
      programs: { docker: docker() },
      args: ['--registry', 'ghcr.io/team/bookinfo'],
    });
    expect(exitCode).toBe(0);
    expect(done.slice(0, 2)).toEqual([
      'docker tag bookinfo-ts/productpage:1.0.0 ghcr.io/team/bookinfo/productpage:1.0.0',
      'docker push ghcr.io/team/bookinfo/productpage:1.0.0',
    ]);
    expect(done).toHaveLength(8);
    expect(stdout).toContain('npx pnpm@12 k8s:generate --registry ghcr.io/team/bookinfo');
  });

  test('--build builds all of them again, with what bake is to be told', async () => {
    const { done } = await bring({
      node: KUBEADM,
      programs: { docker: docker() },
      args: ['--build', '--set', '*.secrets=id=npmrc,src=.npmrc'],
    });
    expect(done).toEqual([
      'docker buildx bake --load --set=*.secrets=id=npmrc,src=.npmrc productpage-v1 details-v1 reviews-v1 ratings-v1',
    ]);
  });

  test.for<[string, Situation, string]>([
    ['a cluster elsewhere', { node: ELSEWHERE, programs: { docker: docker() } }, 'lab images --registry NAME'],
    [
      'no engine',
      { programs: { docker: { '*': { exit: 1, stderr: 'Cannot connect to the Docker daemon' } } } },
      'No engine answers. Next: start Docker Desktop',
    ],
    ['no docker', { programs: {} }, 'docker was not found'],
    [
      'a node that the engine does not show',
      {
        programs: {
          docker: docker(NAMES, {
            '*crictl*': { exit: 1, stderr: 'Error response from daemon: No such container: x' },
          }),
        },
      },
      'Show system containers',
    ],
    [
      'a build that fails',
      { programs: { docker: docker([], { 'buildx bake --load*': { exit: 1, stderr: 'ERROR: no space left' } }) } },
      'The build has failed',
    ],
  ])('%s: one line with the next step, and exit code 1', async ([, situation, message]) => {
    const { stderr, exitCode } = await bring(situation);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  test('a cluster that does not look local is left alone until its context is named', async () => {
    const nodes = [node(KIND)];
    const kubectl = cluster({ context: 'prod', server: 'https://10.0.0.1:6443', nodes, pods: [] });
    await using stubs = await StubPrograms.create({ kubectl, docker: docker(NAMES, { '*crictl*': listed({}) }) });
    const { stderr, exitCode } = await stubs.lab(['images']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('--context prod if you mean it')]);
    expect((await stubs.calls()).filter((call) => call.startsWith('docker'))).toEqual([]);
    expect((await stubs.lab(['images', '--context', 'prod'])).exitCode).toBe(0);
  });
});
