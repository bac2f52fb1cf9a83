/** This machine: Node, Docker, istioctl, and the ports that the lab forwards to. */
import { execa } from 'execa';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Finding } from './finding.ts';

/** What a program prints as JSON; undefined when it is missing, fails, or prints something else. */
async function json<T extends TSchema>(schema: T, program: string, ...args: string[]): Promise<Static<T> | undefined> {
  const { exitCode, stdout } = await execa(program, args, { reject: false, timeout: 20_000 });
  if (exitCode !== 0) return undefined;
  try {
    const answer: unknown = JSON.parse(stdout);
    return Value.Check(schema, answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}

export function node(): Finding {
  const [major = 0] = process.versions.node.split('.').map(Number);
  const seen = process.versions.node;
  return major >= 26
    ? { what: 'Node', state: 'fine', seen }
    : {
        what: 'Node',
        state: 'obstacle',
        seen: `${seen}, not 26`,
        next: 'npx pnpm@12 install, and commands by npx pnpm@12',
      };
}

const DockerInfo = Type.Object({ ServerVersion: Type.String(), MemTotal: Type.Number(), NCPU: Type.Integer() });
/** A little less than 4 GB: what a virtual machine of that size shows. */
const ENOUGH_MEMORY = 3.8e9;

/** @param needed whether the lab cannot do without it, as where no cluster has the images yet */
export async function docker(needed: boolean): Promise<Finding> {
  const what = 'Docker';
  const state = needed ? 'obstacle' : 'note';
  const info = await json(DockerInfo, 'docker', 'info', '--format={{json .}}');
  if (!info?.ServerVersion)
    return { what, state, seen: 'no engine answers', next: 'start Docker Desktop, or the engine' };
  const memory = `${(info.MemTotal / 1e9).toFixed(1)} GB`;
  const seen = `${info.ServerVersion} with ${info.NCPU} CPUs and ${memory}`;
  const buildx = await execa('docker', ['buildx', 'version'], { reject: false });
  if (buildx.exitCode !== 0)
    return { what, state, seen: `${seen}, without Buildx`, next: 'https://docs.docker.com/build/buildx/install/' };
  if (info.MemTotal < ENOUGH_MEMORY)
    return {
      what,
      state: 'note',
      seen: `${seen}: tight`,
      next: 'docs/lab.md, "What you need": 6 GB, 4 without Kiali and Grafana',
    };
  return { what, state: 'fine', seen };
}

const Istioctl = Type.Object({ clientVersion: Type.Object({ version: Type.String() }) });

/** Its version; undefined without istioctl. */
export const istioctlVersion = async (): Promise<string | undefined> =>
  (await json(Istioctl, 'istioctl', 'version', '--remote=false', '--output=json'))?.clientVersion.version;

/** Who listens there during the lab, and how one knows. */
const PORTS: { port: number; path: string; who: string; sign: (answer: Response, body: string) => boolean }[] = [
  ...[80, 8080].map((port) => ({
    port,
    path: '/productpage',
    who: 'the gateway',
    sign: ({ headers }: Response) => headers.get('server') === 'istio-envoy',
  })),
  { port: 3000, path: '/login', who: 'Grafana', sign: (_, body) => body.includes('Grafana') },
  { port: 16686, path: '/', who: 'Jaeger', sign: (_, body) => body.includes('Jaeger') },
  { port: 20001, path: '/kiali/', who: 'Kiali', sign: (_, body) => body.includes('Kiali') },
  { port: 9090, path: '/', who: 'Prometheus', sign: (_, body) => body.includes('Prometheus') },
];

export async function ports(): Promise<Finding> {
  const owners = await Promise.all(PORTS.map(ownerOf));
  const seen = owners.map((owner, i) => `${PORTS[i]?.port} ${owner}`).join(', ');
  if (!owners.includes(STRANGER)) return { what: 'ports', state: 'fine', seen };
  return {
    what: 'ports',
    state: 'note',
    seen,
    next: 'end that program, or forward another port: kubectl port-forward … 13000:3000',
  };
}

const STRANGER = 'another program';

async function ownerOf({ port, path, who, sign }: (typeof PORTS)[number]): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(3000) });
    return sign(answer, await answer.text()) ? who : STRANGER;
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return cause?.code === 'ECONNREFUSED' ? 'free' : STRANGER;
  }
}
