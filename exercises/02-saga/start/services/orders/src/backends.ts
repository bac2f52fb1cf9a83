import { type App, type Backend, connectBackend } from '@bookinfo/chassis';
import { Payment, Reservation } from '@bookinfo/contract';
import type { Config } from './config.ts';

/** For one try. Both services know an order that they have seen before, so that asking again does no harm. */
const PATIENCE = { timeoutMs: 1000, tries: 3 };

export interface Backends {
  reservations: Backend<'/reservations/{orderId}', Reservation>;
  payments: Backend<'/payments/{orderId}', Payment>;
}

export function connectBackends(app: App, config: Config): Backends {
  return {
    reservations: connectBackend(app, config, 'STOCK', {
      route: '/reservations/{orderId}',
      schema: Reservation,
      ...PATIENCE,
    }),
    payments: connectBackend(app, config, 'PAYMENTS', { route: '/payments/{orderId}', schema: Payment, ...PATIENCE }),
  };
}
