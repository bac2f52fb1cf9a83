import { setTimeout as sleep } from 'node:timers/promises';
import { HttpError } from '@bookinfo/chassis';
import { trace } from '@opentelemetry/api';
import type { Config } from './config.ts';

/** Half of the requests, in the versions where chance decides. */
const PROBABILITY = 0.5;
const DELAY_SECONDS = 7;
const UNAVAILABLE_SECONDS = 60;
const UNHEALTHY_SECONDS = 15 * 60;

export interface Faults {
  /** Before each request for ratings: waits or throws, or does nothing. */
  inject(): Promise<void>;
  /** Whether `/health` has to say so; the probe lesson restarts the pod on it. */
  unhealthy(): boolean;
}

/** The deliberate faults of the versions `v-faulty`, `v-delayed`, `v-unavailable` and `v-unhealthy`. */
export function createFaults({ SERVICE_VERSION, FAULT_SECONDS }: Config): Faults {
  const seconds = (standard: number) => FAULT_SECONDS ?? standard;
  const never = () => false;

  switch (SERVICE_VERSION) {
    case 'v-faulty':
      return { inject: async () => failWhen(Math.random() < PROBABILITY), unhealthy: never };
    case 'v-delayed':
      return {
        inject: async () => {
          if (Math.random() >= PROBABILITY) return;
          annotateSpan('delay');
          await sleep(seconds(DELAY_SECONDS) * 1000);
        },
        unhealthy: never,
      };
    case 'v-unavailable': {
      const down = everyOtherPhase(seconds(UNAVAILABLE_SECONDS));
      return { inject: async () => failWhen(down()), unhealthy: never };
    }
    case 'v-unhealthy': {
      const down = everyOtherPhase(seconds(UNHEALTHY_SECONDS));
      return { inject: async () => failWhen(down()), unhealthy: down };
    }
    default:
      return { inject: async () => {}, unhealthy: never };
  }
}

/** Fine for one phase from the start, down for the next, and so on. */
function everyOtherPhase(seconds: number): () => boolean {
  const start = performance.now();
  return () => Math.floor((performance.now() - start) / (seconds * 1000)) % 2 === 1;
}

function failWhen(down: boolean): void {
  if (!down) return;
  annotateSpan('unavailable');
  throw new HttpError(503, 'Service unavailable');
}

/** So that a trace shows which failures were made to order. */
function annotateSpan(fault: string): void {
  trace.getActiveSpan()?.setAttribute('bookinfo.injected_fault', fault);
}
