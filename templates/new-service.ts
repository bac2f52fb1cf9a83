/** `npx pnpm@12 new:service NAME`: a service with everything that has to know it, as one commit. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';
import * as contract from '@bookinfo/contract';
import { Command, Option } from '@commander-js/extra-typings';
import { execa } from 'execa';
import { closest, distance } from 'fastest-levenshtein';
import { Refusal } from '../local/clone.ts';
import { SERVICES } from '../local/workloads.ts';
import { type Changes, changesFor, ROOT, schemaOf } from './changes.ts';
import { change, requireClean, run } from './repository.ts';

/** Names that something else has: in the cluster, in Compose, or in the files that a service is written into. */
const RESERVED =
  'mongodb mysqldb curl load jaeger prometheus grafana kiali kubernetes istiod index page products results count app config backends versions';

const program = new Command('npx pnpm@12 new:service')
  .usage('NAME [options]')
  .description(
    'Makes a service that is traced, measured, tested, routed and deployed as the others are, in one commit.',
  )
  .argument('<name>', 'such as orders')
  .option('--calls <names>', 'services that it asks, such as details,ratings', (words) => words.split(','), [])
  .addOption(
    new Option('--called-by <name>', 'who asks it: productpage gets GET /api/v1/products/{id}/NAME').choices([
      'productpage',
    ]),
  )
  .addOption(new Option('--store <kind>', 'where it keeps state of its own').choices(['sqlite']))
  .option('--dry-run', 'only show what would change')
  .helpOption('-h, --help', 'this text')
  .showHelpAfterError()
  .exitOverride()
  .action(async (name, { calls, calledBy, store, dryRun }) => {
    requireName(name);
    for (const callee of calls) requireCallee(callee);
    if (!dryRun) await requireClean();
    const changes = changesFor({
      name,
      calls: [...new Set(calls)],
      calledByPage: calledBy !== undefined,
      store: store !== undefined,
    });
    if (dryRun) return show(changes);
    await change(`Add the service ${name}`, async () => write(ROOT, changes));
    console.log(`${name} is there, in a commit of its own (${changes.size} files and what follows from them).`);
    console.log(
      `Try it: npx pnpm@12 start, then read on in services/${name}/src/app.ts. Away again: npx pnpm@12 remove:service ${name}`,
    );
  });

/** @throws {Refusal} */
function requireName(name: string): void {
  if (!/^[a-z][a-z0-9]{0,30}$/.test(name))
    throw new Refusal(
      `${name} will not do as the name of a service: lower-case letters and digits, a letter first, 31 at most.`,
    );
  if (SERVICES.some((service) => service === name)) throw new Refusal(`There is a service ${name} already.`);
  if (RESERVED.split(' ').includes(name) || schemaOf(name) in contract || isKeyword(name))
    throw new Refusal(`The name ${name} is taken by something else.`);
}

/** What cannot be the name of a constant in TypeScript. */
function isKeyword(name: string): boolean {
  try {
    new Script(`"use strict"; const ${name} = 0`);
    return false;
  } catch {
    return true;
  }
}

/** @throws {Refusal} */
function requireCallee(callee: string): void {
  const known = SERVICES.filter((service) => service !== 'productpage');
  if (known.some((service) => service === callee)) return;
  const near = closest(callee, known);
  const hint = distance(callee, near) <= 3 ? `did you mean ${near}?` : `there are ${known.join(', ')}`;
  throw new Refusal(`There is no service ${callee} to call: ${hint}`);
}

function write(folder: string, changes: Changes): void {
  for (const [file, text] of changes) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
}

async function show(changes: Changes): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bookinfo-new-'));
  try {
    const before = [...changes.keys()].flatMap((file): [string, string][] => {
      try {
        return [[file, readFileSync(join(ROOT, file), 'utf8')]];
      } catch {
        return [];
      }
    });
    write(join(folder, 'a'), new Map(before));
    write(join(folder, 'b'), changes);
    await execa('git', ['diff', '--no-index', '--no-prefix', 'a', 'b'], {
      cwd: folder,
      stdio: 'inherit',
      reject: false,
    });
    console.log('\nand what follows from it: the flat files of k8s/, and the lock file. Nothing was written.');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await run(program);
