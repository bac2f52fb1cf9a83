/** `node packages/bundle/src/cli.ts SERVICE FOLDER` */
import { bundle } from './bundle.ts';

const [service, folder, ...others] = process.argv.slice(2);
if (!service || !folder || others.length > 0) {
  console.error('Usage: node packages/bundle/src/cli.ts SERVICE FOLDER');
  process.exit(2);
}
await bundle(service, folder);
