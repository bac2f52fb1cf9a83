/** An etcd and an API server on loopback, with Istio's and the Gateway API's kinds; no pod runs. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { openSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why there is no API server. */
    noServer: string | undefined;
    /** For programs that ask the API server. */
    serverEnvironment: Record<string, string>;
  }
}

export default async function setup(project: TestProject): Promise<(() => void) | undefined> {
  const bin = process.env.MESH_BIN;
  const path = `${bin}:${process.env.PATH}`;
  const reason = bin
    ? missingPrograms(bin, path)
    : 'MESH_BIN does not name a folder with etcd, kube-apiserver and istioctl';
  project.provide('noServer', reason);
  project.provide('serverEnvironment', {});
  if (reason) return;

  const folder = await mkdtemp(join(tmpdir(), 'bookinfo-apiserver-'));
  const children: ChildProcess[] = [];
  const stop = () => {
    for (const child of children.splice(0).reverse()) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  // Also when the run is broken off.
  process.once('exit', stop);
  const start = (program: string, args: string[]) => {
    const log = openSync(join(folder, `${program}.log`), 'w');
    children.push(spawn(program, args, { env: { ...process.env, PATH: path }, stdio: ['ignore', log, log] }));
  };
  const environment = await startServer(folder, start);
  project.provide('serverEnvironment', { ...environment, PATH: path });
  const isReady = () =>
    spawnSync('kubectl', ['get', '--raw', '/readyz'], { env: { ...process.env, ...environment } }).status === 0;
  for (const until = Date.now() + 90_000; !isReady(); await sleep(500))
    if (Date.now() > until || children.some(({ exitCode }) => exitCode !== null))
      throw new Error(
        `The API server did not start:\n${(await readFile(join(folder, 'kube-apiserver.log'), 'utf8')).slice(-4000)}`,
      );
  return stop;
}

function missingPrograms(bin: string, path: string): string | undefined {
  const missing = ['etcd', 'kube-apiserver', 'istioctl', 'kubectl', 'go'].filter(
    (program) => spawnSync('which', [program], { env: { ...process.env, PATH: path } }).status !== 0,
  );
  return missing.length > 0 ? `not found in ${bin} or on the PATH: ${missing.join(', ')}` : undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts both; gives the environment for those who ask them. */
async function startServer(
  folder: string,
  start: (program: string, args: string[]) => void,
): Promise<Record<string, string>> {
  const [client, peer, secure] = await Promise.all([freePort(), freePort(), freePort()]);
  const etcd = `http://127.0.0.1:${client}`;
  start('etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
    `--listen-client-urls=${etcd}`,
    `--advertise-client-urls=${etcd}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
  ]);

  const token = randomBytes(16).toString('hex');
  const key = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const file = (name: string) => join(folder, name);
  await writeFile(file('tokens.csv'), `${token},admin,admin,system:masters\n`);
  await writeFile(file('sa.key'), key.privateKey);
  await writeFile(file('sa.pub'), key.publicKey);
  await writeFile(
    file('kubeconfig'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'test', cluster: { server: `https://127.0.0.1:${secure}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    }),
  );
  start('kube-apiserver', [
    `--etcd-servers=${etcd}`,
    `--secure-port=${secure}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    `--cert-dir=${folder}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('sa.pub')}`,
    `--service-account-signing-key-file=${file('sa.key')}`,
    '--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112',
  ]);
  return { KUBECONFIG: file('kubeconfig'), KUBECACHEDIR: file('cache') };
}
