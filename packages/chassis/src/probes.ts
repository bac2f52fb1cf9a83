/** Routes that are asked every few seconds. They are answered under any load, and only their failures are worth a line. */
export const PROBES: ReadonlySet<string | undefined> = new Set([
  '/health',
  '/health/live',
  '/health/ready',
  '/metrics',
]);
