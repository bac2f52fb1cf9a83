/** Runs one project of on-demand.config.ts: `node test/on-demand.ts PROJECT [options]`. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { borrowCluster } from './cluster/before-and-after.ts';
import { runProject } from './run-project.ts';

interface Project {
  command: string;
  about: string;
  /** Puts back what the tests have changed, also after Ctrl-C. */
  around?: (run: () => Promise<void>) => Promise<void>;
}

const PROJECTS: Record<string, Project> = {
  containers: {
    command: 'test/containers',
    about: `Builds the images, looks at what is in them, and runs docker-compose.yml with all its profiles in a real engine, and a
manifest for the original on the drop-in images.

  BAKE_OPTIONS   options of \`docker buildx bake\`, such as --set *.secrets=id=npmrc,src=.npmrc`,
  },
  apiserver: {
    command: 'test/apiserver',
    about: `Applies every manifest to a real API server, and lets \`istioctl analyze\` judge the lessons.

  MESH_BIN   the folder with etcd, kube-apiserver and istioctl`,
  },
  week4: {
    command: 'test/week4',
    about: `Checks the exercises of week 4 on the cluster that kubectl points to: builds and deploys the start, the solution and
the mistakes of each, and demands that the check with --cluster says of each what it should.

  IMAGES   a shell command that builds the images of the tree it is run in and brings them to the cluster, instead of
           lab images --build; SERVICES names those that are not as in this repository
  CONTEXT  of kubectl, instead of the current one`,
  },
  guide: {
    command: 'test/guide',
    about: `Types the commands of docs/lab.md into a terminal, as a student does, in a clone of its own, and demands that each
prints what the guide says. It goes through the whole day on the cluster that kubectl points to, twice: --test bash or
--test zsh is one of them. The last step removes Istio: without it, whatever was in the namespace default comes back.

  GATEWAY_URL  where the ingress gateway answers, instead of localhost
  GUIDE_SKIP   a regular expression: steps and lines that match are left out`,
    around: (run) =>
      borrowCluster(async () => {
        // The clones go there.
        const folder = mkdtempSync(join(tmpdir(), 'guide-'));
        process.env.TMPDIR = folder;
        try {
          await run();
        } finally {
          for (const path of [folder, '/tmp/jar']) rmSync(path, { recursive: true, force: true });
        }
      }),
  },
  faults: {
    command: 'test/faults',
    about: `Kills, stops and cuts off what is behind the page, blocks a log, takes a database and file descriptors away, and
prints in a table how soon it was noticed, what was answered meanwhile, and how soon all was well again.`,
  },
};

const usage = ({ command, about }: Project) => `Usage: ${command} [options] [FILE…]

${about}

  FILE                  only test files with this in their name
  -t, --test PATTERN    only tests whose name matches a regular expression
  --retry TIMES         try a failed test again
  --bail TIMES          stop after so many failures
  --reporter NAME       a reporter of vitest, such as junit or json
  --help                this text`;

/** The arguments for vitest. Wrong ones are answered with the usage and exit 2. */
function readArguments(project: Project, args: string[]): string[] {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        test: { type: 'string', short: 't' },
        retry: { type: 'string' },
        bail: { type: 'string' },
        reporter: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const { test, help, ...others } = values;
    if (help) {
      console.log(usage(project));
      process.exit(0);
    }
    for (const name of ['retry', 'bail'] as const) {
      const value = values[name];
      if (value !== undefined && !/^\d+$/.test(value)) throw new Error(`--${name} ${value}: not a number`);
    }
    if (test !== undefined) new RegExp(test);
    return [
      ...positionals,
      ...(test === undefined ? [] : [`--testNamePattern=${test}`]),
      ...Object.entries(others).map(([name, value]) => `--${name}=${value}`),
    ];
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage(project)}`);
    process.exit(2);
  }
}

const [name = '', ...args] = process.argv.slice(2);
const project = PROJECTS[name];
if (!project) throw new Error(`No project ${name}, but ${Object.keys(PROJECTS).join(', ')}`);
const options = readArguments(project, args);

await runProject(name, options, project.around);
