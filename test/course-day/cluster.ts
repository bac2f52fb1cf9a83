import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Manifest, ROOT } from '../manifests/load.ts';
import { eventually, Skip } from './results.ts';
import { session } from './session.ts';

export interface Result {
  code: number;
  output: string;
}

export async function run(program: string, args: string[], input = ''): Promise<Result> {
  const running = promisify(execFile)(program, args, { cwd: ROOT, maxBuffer: 1 << 28, timeout: 300_000 });
  running.child.stdin?.end(input);
  try {
    const { stdout, stderr } = await running;
    return { code: 0, output: stdout || stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : 1, output: stdout + stderr || String(error) };
  }
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

export const ROUTING = ['istio/bookinfo-gateway.yaml', 'istio/destination-rule-all.yaml'];

export async function apply(...names: string[]): Promise<void> {
  if (session.interrupted) throw new Error('interrupted');
  session.applied.push(...names);
  await kubectl(['apply', ...files(names)]);
}

/** Back to where every lesson starts: the application, its gateway, its subsets, and every version in its turn. */
export async function reset(): Promise<void> {
  const lesson = [...new Set(session.applied)].reverse();
  session.applied = [];
  if (lesson.length > 0) await kubectl(['delete', '--ignore-not-found', ...files(lesson)]);
  await kubectl(['apply', ...files(ROUTING)]);
}

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

/** Applies workloads and waits until all of them serve. */
export async function deploy(file: string, namespace = 'default'): Promise<void> {
  await apply(file);
  const kinds = '--output=jsonpath={range .items[*]}{.kind}/{.metadata.name} {end}';
  const workloads = (await kubectl(['get', '-f', file, `--namespace=${namespace}`, kinds]))
    .split(' ')
    .filter((workload) => /^(Deployment|StatefulSet)/.test(workload));
  for (const workload of workloads) {
    const status = ['rollout', 'status', workload, `--namespace=${namespace}`, '--timeout=5s'];
    let reason: string | undefined;
    const ready = async () => {
      if ((await run('kubectl', status)).code === 0) return true;
      reason = (await list<Pod>('pods', `--namespace=${namespace}`)).map(obstacle).find((found) => found !== undefined);
      return false;
    };
    if (await eventually(ready, (done) => done || reason !== undefined, 180)) continue;
    throw reason ? new Skip(reason) : new Error(`${workload} of ${file} does not become ready`);
  }
}
