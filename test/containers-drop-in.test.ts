/**
 * Builds the drop-in images and runs a manifest on them that was written for the original (original.yaml): its names,
 * variables and volumes, and nothing of ours. Needs Docker Engine 25 with Buildx. The databases, whose images are not
 * ours, are skipped where these can neither be found nor pulled.
 */
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse, ROOT } from './manifests/load.ts';

const HUB = process.env.IMAGE_PREFIX ?? 'bookinfo-ts';
const NETWORK = 'bookinfo-drop-in';
const imageOf = (name: string): string => `${HUB}/examples-bookinfo-${name}:1.20.3`;

async function docker(...args: string[]): Promise<string> {
  return (await execa('docker', args, { cwd: ROOT, timeout: 600_000 })).stdout;
}
const succeeds = async (...args: string[]): Promise<boolean> =>
  (await execa('docker', args, { reject: false, timeout: 600_000 })).exitCode === 0;

const ready = (await succeeds('info')) && (await succeeds('buildx', 'version'));
const started: string[] = [];

/** Runs an image in the network, under the name of its Deployment and behind that of its Service. */
async function start(name: string, service: string, image: string, options: string[] = [], args: string[] = []) {
  const network = ['--network', NETWORK, '--network-alias', service, '--hostname', name];
  started.push(await docker('run', '--detach', '--name', `drop-in-${name}`, ...network, ...options, image, ...args));
}

/** What a program in a container is answered. */
const ask = (name: string, url: string): Promise<string> =>
  docker(
    'exec',
    `drop-in-${name}`,
    'node',
    '--eval',
    `fetch('http://${url}').then(async (it) => console.log(await it.text()))`,
  );

async function remove(): Promise<void> {
  if (started.length > 0) await succeeds('rm', '--force', '--volumes', ...started.splice(0));
  await succeeds('network', 'rm', NETWORK);
}

beforeEach(({ skip }) => {
  if (!ready) skip('`docker info` or `docker buildx version` fails');
});

beforeAll(async () => {
  if (!ready) return;
  const options = process.env.BAKE_OPTIONS?.split(' ') ?? [];
  await docker('buildx', 'bake', '--load', ...options, 'original');
  await remove();
  await docker('network', 'create', NETWORK);
});
afterAll(async () => {
  if (ready) await remove();
});

interface Inspected {
  Config: { Env: string[] };
  RootFS: { Layers: string[] };
}
const inspect = async (name: string): Promise<Inspected> =>
  (JSON.parse(await docker('image', 'inspect', imageOf(name))) as Inspected[])[0] as Inspected;

const VERSIONS: Record<string, string[]> = {
  productpage: ['v1', 'v-flooding'],
  details: ['v1', 'v2'],
  reviews: ['v1', 'v2', 'v3'],
  ratings: ['v1', 'v2', 'v-faulty', 'v-delayed', 'v-unavailable', 'v-unhealthy'],
};

test.for(Object.entries(VERSIONS))(
  'the images of %s share all layers, and differ in what is baked in',
  async ([service, versions]) => {
    const images = await Promise.all(versions.map((version) => inspect(`${service}-${version}`)));
    expect(new Set(images.map(({ RootFS }) => RootFS.Layers.join())).size).toBe(1);
    expect(new Set(images.map(({ Config }) => Config.Env.join())).size).toBe(versions.length);
  },
);

interface Deployment {
  metadata: { name: string; labels: { app: string } };
  spec: {
    template: {
      spec: {
        containers: [
          {
            image: string;
            env?: { name: string; value: string }[];
            volumeMounts?: { mountPath: string }[];
            securityContext?: object;
          },
        ];
      };
    };
  };
}

describe('a manifest that was written for the original', () => {
  beforeAll(async () => {
    if (!ready) return;
    const deployments = parse('test/original.yaml').filter(({ doc }) => doc.kind === 'Deployment');
    for (const { doc } of deployments) {
      const { metadata, spec } = doc as unknown as Deployment;
      const [{ image, env = [], volumeMounts = [], securityContext }] = spec.template.spec.containers;
      await start(metadata.name, metadata.labels.app, image.replace('HUB', HUB), [
        ...env.map(({ name, value }) => `--env=${name}=${value}`),
        ...volumeMounts.map(({ mountPath }) => `--tmpfs=${mountPath}`),
        ...(securityContext ? ['--cap-drop=all', '--security-opt=no-new-privileges'] : []),
      ]);
    }
  });

  test('is the whole page, with each version of reviews', async () => {
    const seen = async () => {
      const html = await ask('ratings-v1', 'productpage:9080/productpage');
      expect(html).toContain('<title>Simple Bookstore App</title>');
      const version = /reviews-(v[123])/.exec(html)?.[1] ?? 'none';
      return `${version}: ${html.match(/glyphicon-star/g)?.length ?? 0} stars`;
    };
    for (const expected of ['v1: 0 stars', 'v2: 9 stars', 'v3: 9 stars'])
      await expect.poll(() => seen().catch(String)).toBe(expected);
  });

  test('has the course’s curl in ratings', async () => {
    const page = await docker('exec', 'drop-in-ratings-v1', 'curl', '-sS', 'productpage:9080/productpage');
    expect(page).toContain('Book Details');
  });
});

test.for([
  'productpage-v-flooding',
  'details-v2',
  'ratings-v-faulty',
  'ratings-v-delayed',
  'ratings-v-unavailable',
  'ratings-v-unhealthy',
])('%s starts without a word of configuration, and says which version it is', async (name) => {
  const [service = '', version] = name.split(/-(.*)/);
  await start(name, name, imageOf(name));
  await expect.poll(() => ask(name, 'localhost:9080/health/ready').catch(String)).toBe('{"status":"ready"}');
  const says = `"service":"${service}","version":"${version}"`;
  await expect.poll(() => docker('logs', `drop-in-${name}`)).toContain(says);
});

interface Database {
  name: string;
  base: string;
  service: string;
  /** As the original's manifests start it, and ratings v2 with it. */
  options: string[];
  args: string[];
  ratings: string[];
}
const DATABASES: Database[] = [
  {
    name: 'mysqldb',
    base: 'mysql:8.0',
    service: 'mysqldb',
    options: ['--env=MYSQL_ROOT_PASSWORD=password'],
    args: ['--default-authentication-plugin', 'mysql_native_password'],
    ratings: [
      'DB_TYPE=mysql',
      'MYSQL_DB_HOST=mysqldb',
      'MYSQL_DB_PORT=3306',
      'MYSQL_DB_USER=root',
      'MYSQL_DB_PASSWORD=password',
    ],
  },
  {
    name: 'mongodb',
    base: 'mongo:8.0',
    service: 'mongodb',
    options: [],
    args: [],
    ratings: ['MONGO_DB_URL=mongodb://mongodb:27017/test'],
  },
];

test.for(DATABASES)(
  '$name has what ratings-v2 reads',
  async ({ name, base, service, options, args, ratings }, { skip }) => {
    if (!(await succeeds('image', 'inspect', base)) && !(await succeeds('pull', '--quiet', base)))
      skip(`no image ${base}`);
    await docker('buildx', 'bake', '--load', `original-${name}`);
    await start(name, service, imageOf(name), options, args);
    await start(
      `ratings-v2-${name}`,
      `ratings-v2-${name}`,
      imageOf('ratings-v2'),
      ratings.map((it) => `--env=${it}`),
    );
    await expect
      .poll(() => ask(`ratings-v2-${name}`, 'localhost:9080/ratings/0').catch(String))
      .toContain('{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}');
  },
);
