/** The cluster, as the commands of the lab ask it: by kubectl, with checked answers. */
import { ExecaError, execa } from 'execa';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Obstacle } from './obstacle.ts';

/** Who asks: `context` as it was given on the command line; `toChange` for a command that changes something. */
export interface Access {
  context?: string | undefined;
  toChange?: boolean;
}

const Config = Type.Object({
  'current-context': Type.String(),
  clusters: Type.Array(Type.Object({ cluster: Type.Object({ server: Type.String() }) }), { minItems: 1 }),
});
const Version = Type.Object({ gitVersion: Type.String() });

/** A cluster that has answered. */
export class Cluster {
  readonly context: string;
  /** URL of the API server. */
  readonly server: string;
  /** Of Kubernetes, such as `v1.34.2`. */
  readonly version: string;

  constructor(context: string, server: string, version: string) {
    this.context = context;
    this.server = server;
    this.version = version;
  }

  /**
   * What kubectl prints.
   * @throws {Obstacle} when it fails, with the last line that it said
   */
  kubectl(args: readonly string[], input?: string): Promise<string> {
    return kubectl([`--context=${this.context}`, ...args], input);
  }

  /** The answer to `kubectl get …` as JSON: one object, or with several names or none a list (`listOf`). */
  async get<T extends TSchema>(schema: T, ...what: string[]): Promise<Static<T>> {
    const args = ['get', ...what, '--output=json', '--request-timeout=20s'];
    return checked(schema, await this.kubectl(args), args);
  }

  /** Whether `kubectl get …` finds what is named. */
  async has(...what: string[]): Promise<boolean> {
    return (await this.kubectl(['get', ...what, '--ignore-not-found', '--output=name'])) !== '';
  }
}

/** The schema of a list of objects. */
export const listOf = <T extends TSchema>(item: T) => Type.Object({ items: Type.Array(item) });

/**
 * The cluster of the current context, or of the one that is named.
 * @throws {Obstacle} no kubectl, no context, no answer; or `toChange` in a context that is not named and does not look local
 */
export async function connect({ context, toChange = false }: Access = {}): Promise<Cluster> {
  const named = context === undefined ? [] : [`--context=${context}`];
  const view = ['config', 'view', '--minify', '--output=json'];
  const config = await kubectl([...view, ...named]).catch((error: unknown) => {
    if (!(error instanceof Unanswered)) throw error;
    const problem = context === undefined ? 'kubectl points to no cluster' : `There is no context ${context}`;
    throw new Obstacle(problem, 'kubectl config get-contexts, and docs/lab.md, "The cluster"');
  });
  const { 'current-context': name, clusters } = checked(Config, config, view);
  const server = clusters[0]?.cluster.server ?? '';
  if (toChange && context === undefined && !looksLocal(name, server))
    throw new Obstacle(
      `The cluster of the context ${name} (${server}) does not look like one on this machine, and this would change it`,
      `kubectl config use-context NAME, or --context ${name} if you mean it`,
    );
  const ask = ['get', '--raw=/version', '--request-timeout=10s'];
  const version = await kubectl([`--context=${name}`, ...ask]).catch((error: unknown) => {
    if (!(error instanceof Unanswered)) throw error;
    throw new Obstacle(`The cluster of the context ${name} does not answer: ${error.reason}`, 'start it, then again');
  });
  return new Cluster(name, server, checked(Version, version, ask).gitVersion);
}

/** @throws {Obstacle} when the cluster has no istiod */
export async function requireIstio(cluster: Cluster): Promise<void> {
  if (await cluster.has('deployments', '--selector=app=istiod', '--namespace=istio-system')) return;
  throw new Obstacle('Istio is not installed in this cluster', 'istioctl install -f istio/mesh-config.yaml -y');
}

/** Names that Docker Desktop, kind, minikube, k3d and the like give their contexts. */
const LOCAL_CONTEXT = /^(docker-desktop|minikube|orbstack|rancher-desktop|colima.*|kind-.+|k3d-.+)$/;
const LOCAL_SERVER = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0|kubernetes\.docker\.internal)$/;

function looksLocal(context: string, server: string): boolean {
  return LOCAL_CONTEXT.test(context) || LOCAL_SERVER.test(URL.parse(server)?.hostname ?? '');
}

/** kubectl has failed. */
class Unanswered extends Obstacle {
  readonly reason: string;

  constructor(args: readonly string[], stderr: string) {
    const reason = stderr.trim().split('\n').at(-1) || 'kubectl said nothing';
    const words = args.filter((it) => !it.startsWith('-')).join(' ');
    super(`kubectl ${words} failed: ${reason}`, 'npx pnpm@12 lab doctor');
    this.reason = reason;
  }
}

async function kubectl(args: readonly string[], input = ''): Promise<string> {
  try {
    return (await execa('kubectl', args, { input, timeout: 300_000, maxBuffer: 1 << 28 })).stdout;
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    if (error.code === 'ENOENT')
      throw new Obstacle(
        'kubectl was not found',
        'Docker Desktop brings it; else https://kubernetes.io/docs/tasks/tools/',
      );
    throw new Unanswered(args, error.stderr || error.shortMessage);
  }
}

function checked<T extends TSchema>(schema: T, json: string, args: readonly string[]): Static<T> {
  const answer: unknown = JSON.parse(json);
  if (Value.Check(schema, answer)) return answer;
  const [first] = Value.Errors(schema, answer);
  throw new Obstacle(
    `kubectl ${args.join(' ')} answered what is not expected: ${first?.instancePath} ${first?.message}`,
    'kubectl version; docs/lab.md, "What you need"',
  );
}
