/**
 * Where `start` begins. `npm start`, of all scripts, comes here with nothing installed, and with whatever Node.js there
 * is: so this is JavaScript, and the rest is imported only when it can run.
 */
import { existsSync } from 'node:fs';

const missing = !existsSync(new URL('../node_modules', import.meta.url))
  ? 'Nothing is installed yet, which is for pnpm to do, not npm: npx pnpm@12 start'
  : Number.parseInt(process.versions.node, 10) < 26 &&
    `This takes Node.js 26, and runs on ${process.version}: the package with it was not installed for ${process.platform} ${process.arch}`;
if (missing) {
  console.error(missing);
  process.exit(1);
}
await import('./start.ts');
