/** The student's shop in a cluster: what is declared, what the model makes of it, and whom to ask. Nothing here changes it. */
import { addressOf, type Explanation, explain, type Manifest, Refusal, UnknownSource } from '@bookinfo/mesh';
import { declaredIn } from './declared.ts';
import { findGateway } from './gateway.ts';
import { type Cluster, requireIstio } from './kubectl.ts';
import { Obstacle } from './obstacle.ts';
import { type Headers, Visitor } from './visitor.ts';

/** A request of which the model is asked, and the cluster too. */
export interface Question {
  /** `ingress`, a workload, or OUTSIDER. */
  from?: string;
  url: string;
  method?: string;
  user?: string;
  headers?: Headers;
}

/** Somebody in the cluster without a sidecar, so without a certificate. */
export const OUTSIDER = 'somebody without a sidecar';
const OUTSIDER_POD: Manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: OUTSIDER, namespace: 'default', labels: {} },
  spec: { containers: [{ name: 'curl' }] },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
};

export class Shop {
  readonly cluster: Cluster;
  /** Through the gateway; or why nobody gets in. */
  readonly entrance: Visitor | Obstacle;
  /** None without Istio. */
  readonly manifests: readonly Manifest[];
  /** What the model does not know of the cluster's objects; with any of it, it explains nothing. */
  readonly unknown: readonly string[];
  #sessions = new Map<string, Promise<Headers>>();

  private constructor(cluster: Cluster, entrance: Visitor | Obstacle, manifests: Manifest[]) {
    this.cluster = cluster;
    this.entrance = entrance;
    this.manifests = manifests;
    let unknown: string[] = [];
    try {
      this.#explain({ from: OUTSIDER, url: 'http://productpage:9080/health' });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      unknown = error.problems;
    }
    this.unknown = unknown;
  }

  static async open(cluster: Cluster): Promise<Shop> {
    const orObstacle = (error: unknown): Obstacle => {
      if (error instanceof Obstacle) return error;
      throw error;
    };
    const obstacle = await requireIstio(cluster).catch(orObstacle);
    if (obstacle) return new Shop(cluster, obstacle, [OUTSIDER_POD]);
    const entrance = findGateway(cluster).then(({ url }) => new Visitor(url), orObstacle);
    const production = await cluster.has('namespace', 'production');
    const manifests = await declaredIn(cluster, 'default', ...(production ? ['production'] : []));
    return new Shop(cluster, await entrance, [...manifests, OUTSIDER_POD]);
  }

  /** Whether Istio is installed. */
  get meshed(): boolean {
    return this.manifests.length > 1;
  }

  /** @throws {Obstacle} when the gateway does not answer */
  get visitor(): Visitor {
    if (this.entrance instanceof Obstacle) throw this.entrance;
    return this.entrance;
  }

  #explain({ from = 'ingress', url, method = 'GET', user, headers = {} }: Question): Explanation {
    const { host = '', ...others } = headers;
    const address = addressOf(new URL(url));
    const request = { ...address, ...(host && { host }), method, headers: others, from, now: Date.now() / 1000 };
    return explain([...this.manifests], { ...request, ...(user && { user }) });
  }

  /** What the mesh would do by what is declared; undefined where the model does not know, or nobody is called `from`. */
  explain(question: Question): Explanation | undefined {
    if (this.unknown.length > 0) return undefined;
    try {
      return this.#explain(question);
    } catch (error) {
      if (error instanceof UnknownSource) return undefined;
      throw error;
    }
  }

  /** The cookie of somebody who signs in, once. */
  async session(user: string): Promise<Headers> {
    const session = this.#sessions.get(user) ?? this.visitor.signIn(user);
    this.#sessions.set(user, session);
    return session;
  }

  /**
   * What a program in the cluster is answered: a status, or `no answer`.
   * @throws {Obstacle} when there is no program to ask
   */
  async call({ from = OUTSIDER, url, method = 'GET' }: Question): Promise<string> {
    try {
      return await (from === OUTSIDER ? this.#callFromOutside(url, method) : this.#callFrom(from, url, method));
    } catch (error) {
      if (!(error instanceof Obstacle)) throw error;
      // What kubectl said, without the program that it was to run.
      throw new Obstacle(`${from} cannot be asked: ${error.problem.split(' failed: ').at(-1)}`, 'kubectl get pods');
    }
  }

  async #callFrom(workload: string, url: string, method: string): Promise<string> {
    const script = `fetch('${url}', { method: '${method}', signal: AbortSignal.timeout(9000) })
      .then((answer) => console.log(answer.status), () => console.log('no answer'))`;
    const pod = ['exec', `deployment/${workload}`, `--container=${workload.split('-')[0]}`];
    return (await this.cluster.kubectl([...pod, '--', 'node', '--eval', script])).trim();
  }

  /** The gateway's pod has a certificate, but no rules that would lead a program in it through its proxy. */
  async #callFromOutside(url: string, method: string): Promise<string> {
    const full = url.replace(/^(http:\/\/\w+):/, '$1.default:');
    const curl = ['curl', '-s', '-m', '9', '-o', '/dev/null', '-w', '%{http_code}', '-X', method, full];
    const pod = ['exec', 'deployment/istio-ingressgateway', '--namespace=istio-system', '--container=istio-proxy'];
    // 000: no HTTP. kubectl passes curl's exit code on, which then is not 0.
    const code = await this.cluster.kubectl([...pod, '--', 'sh', '-c', `${curl.join(' ')} || true`]);
    return code.trim() === '000' ? 'no answer' : code.trim();
  }
}
