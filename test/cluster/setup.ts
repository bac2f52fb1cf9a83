import type { TestProject } from 'vitest/node';
import { findGateway } from '../../lab/gateway.ts';
import { connect } from '../../lab/kubectl.ts';
import { whyNot } from './before-and-after.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why the tests of the cluster are skipped. */
    obstacle: string | undefined;
    /** URL of the ingress gateway. */
    gateway: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const obstacle = await whyNot();
  project.provide('obstacle', obstacle);
  project.provide('gateway', obstacle ? '' : (await findGateway(await connect())).url);
}
