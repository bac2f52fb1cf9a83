import { execa } from 'execa';
import { type Manifest, ROOT } from '../manifests/load.ts';

export interface Result {
  code: number;
  /** What was printed; of a failure with what was printed on stderr, or why the program did not start. */
  output: string;
}

/** Runs a program in the root of the repository. `detached`: Ctrl-C in the terminal ends us, not what cleans up. */
export async function run(program: string, args: string[], input = ''): Promise<Result> {
  const options = { cwd: ROOT, input, reject: false, detached: true, timeout: 300_000, stripFinalNewline: false };
  const { exitCode, stdout, stderr, shortMessage } = await execa(program, args, options);
  if (exitCode === 0) return { code: 0, output: stdout || stderr };
  return { code: exitCode ?? 1, output: stdout + stderr || (shortMessage ?? '') };
}

export async function kubectl(args: string[], input?: string): Promise<string> {
  const { code, output } = await run('kubectl', args, input);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output.trim()}`);
  return output;
}

export const exists = async (...what: string[]): Promise<boolean> =>
  (await run('kubectl', ['get', ...what])).code === 0;

export const list = async <T extends Manifest = Manifest>(...what: string[]): Promise<T[]> =>
  (JSON.parse(await kubectl(['get', ...what, '--output=json'])) as { items: T[] }).items;

export const files = (names: string[]): string[] => names.map((name) => `--filename=${name}`);

export interface Pod extends Manifest {
  spec: { containers: { name: string }[]; initContainers?: { name: string }[] };
  status: {
    phase: string;
    conditions?: { type: string; status: string; message?: string }[];
    containerStatuses?: { ready: boolean; image: string; state: { waiting?: { reason: string } } }[];
  };
}

/** Why a pod will not start on this cluster whatever one does: no image, no memory, no volume. */
export function obstacle({ metadata, status }: Pod): string | undefined {
  const unscheduled = status.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (unscheduled) return `${metadata.name}: ${unscheduled.message}`;
  const imageless = status.containerStatuses?.find(({ state }) => state.waiting?.reason === 'ImagePullBackOff');
  return imageless && `the image ${imageless.image} cannot be had`;
}

/** Waits until the workloads of a file serve. Answers what keeps them from it on this cluster, if anything. */
export async function rollOut(file: string, namespace = 'default'): Promise<string | undefined> {
  const workloads = (await kubectl(['get', '-f', file, `--namespace=${namespace}`, '--output=name']))
    .split('\n')
    .filter((workload) => /^(deployment|statefulset)\.apps\//.test(workload));
  for (const workload of workloads) {
    const status = ['rollout', 'status', workload, `--namespace=${namespace}`, '--timeout=5s'];
    for (const until = Date.now() + 180_000; (await run('kubectl', status)).code !== 0; ) {
      const pods = await list<Pod>('pods', `--namespace=${namespace}`);
      const reason = pods.map(obstacle).find((found) => found !== undefined);
      if (reason) return reason;
      if (Date.now() > until) throw new Error(`${workload} of ${file} does not become ready`);
    }
  }
  return undefined;
}

/** What every lesson starts from, beside the application. */
export const ROUTING = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];
