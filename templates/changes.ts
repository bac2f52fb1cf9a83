/** Every place that has to know a new service, and what it has to know. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
const TEMPLATE = join(import.meta.dirname, 'service');

export interface ServiceOptions {
  /** Lower-case letters and digits. */
  name: string;
  /** The services that it asks. */
  calls: readonly string[];
  calledByPage: boolean;
  store: boolean;
}

/** Files as they are to be, by path from the root. */
export type Changes = Map<string, string>;

/** The schema of what `GET /NAME/{productId}` answers, by its name in the contract. */
export function schemaOf(service: string): string {
  const known: Record<string, string> = {
    details: 'BookDetails',
    reviews: 'ReviewsOfProduct',
    ratings: 'RatedProduct',
  };
  return known[service] ?? capital(service);
}

const capital = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1)}`;

type Edit = (file: string, ...edits: [at: string | RegExp, text: string][]) => void;

/** The text of a file, by its path from the root. */
type Read = (file: string) => string;

const fromRoot: Read = (file) => readFileSync(join(ROOT, file), 'utf8');

/** Edits the files that are read, into `changes`. The edit throws an `Error` when a file is not as expected, with its name. */
function editor(read: Read): { changes: Changes; edit: Edit } {
  const changes: Changes = new Map();
  const edit: Edit = (file, ...edits) => {
    let text = changes.get(file) ?? read(file);
    for (const [at, replacement] of edits) {
      const changed = text.replace(at, replacement);
      if (changed === text) throw new Error(`${file} has no ${at}: add the service by hand, as docs/extending.md says`);
      text = changed;
    }
    changes.set(file, text);
  };
  return { changes, edit };
}

/** What becomes of the repository. Nothing is written. @throws {Error} when a file is not as expected, with its name */
export function changesFor(options: ServiceOptions): Changes {
  const { name, calledByPage, store } = options;
  const { changes, edit } = editor(fromRoot);
  for (const made of [fromTemplate(options), deploymentOf(options)])
    for (const [file, text] of made) changes.set(file, text);

  const variable = name.toUpperCase();
  edit('packages/contract/src/index.ts', [/$/, `export { ${capital(name)} } from './${name}.ts';\n`]);
  edit(
    'local/workloads.ts',
    ['import { details }', `import { ${name} } from '../services/${name}/workloads.ts';\nimport { details }`],
    [/(?<=^const VERSIONS = \{[^}]*)(?=,?\s*\};)/m, `, ${name}`],
  );
  edit('test/services/known.ts', [
    /^ {2}details: \{$/m,
    `  ${name}: {
    health: '{"status":"${capital(name)} is healthy"}',
    route: '/${name}/0',
    routes: { '/${name}/0': 'GET, HEAD${store ? ', PUT' : ''}' },
  },
  details: {`,
  ]);
  edit('README.md', [/(?<=^\| details v1 \|.*\n)/m, `| ${name} v1 | made by \`npx pnpm@12 new:service\` | ✓ |\n`]);
  if (store)
    edit('README.md', [
      /^(?=\| `OTEL_\*` \|)/m,
      `| \`DATABASE_FILE\` | \`:memory:\` | ${name} | where it keeps its state |\n`,
    ]);

  allow(options, edit);
  changes.set(`k8s/kustomize/lessons/network-policy/${name}.yaml`, networkPolicy(options));
  edit('k8s/kustomize/lessons/network-policy/kustomization.yaml', [
    /(?<=^ {2}- details\.yaml\n)/m,
    `  - ${name}.yaml\n`,
  ]);

  if (calledByPage) {
    const schema = schemaOf(name);
    edit('services/productpage/src/config.ts', [
      /(?<= {4}\.\.\.backendSpecs\('RATINGS'\),\n)/,
      `    ...backendSpecs('${variable}'),\n`,
    ]);
    edit(
      'services/productpage/src/backends.ts',
      [/(?<=^import \{ [^}]*)(?= \} from '@bookinfo\/contract';)/m, `, ${schema}`],
      [
        /(?<=^ {2}ratings\(productId: number, .*\n)/m,
        `  ${name}(productId: number, caller: Caller): Promise<Answer<${schema}>>;\n`,
      ],
      [
        /^(?=\n {2}const results = new Counter)/m,
        `  const ${name} = connectBackend(app, config, '${variable}', {
    route: '/${name}/{productId}',
    schema: ${schema},
    timeoutMs: TIMEOUT_MS,
  });
`,
      ],
      [
        /(?<=^ {4}ratings: async .*\n)/m,
        `    ${name}: async (productId, caller) => count('${name}', await ${name}.get({ productId }, caller)),\n`,
      ],
    );
    edit(
      'services/productpage/src/routes/api.ts',
      [/(?<=^ {2}ReviewsOfProduct,\n)/m, `  ${schema},\n`],
      [
        /(?<=^ {2}passThrough\('\/api\/v1\/products\/:productId\/ratings'.*\n)/m,
        `  passThrough('/api/v1/products/:productId/${name}', '${name}', ${schema}, backends.${name});\n`,
      ],
    );
    edit(
      'README.md',
      [/(?<=^\|.* `RATINGS_HOSTNAME`)(?=[^|]* \|)/m, ` \`${variable}_HOSTNAME\``],
      [/(?<=`RATINGS_HOSTNAME`[^|]* \|[^|]* `ratings`)(?=[^|]* \|)/m, ` \`${name}\``],
      [/(?<=^\|.* `RATINGS_SERVICE_PORT`)(?=[^|]* \|)/m, ` \`${variable}_SERVICE_PORT\``],
    );
  }
  return changes;
}

/**
 * What makes of a service an image, a container, and a workload of a cluster as the others are.
 * @param read gives the files as they are without it
 */
export function deploymentOf({ name, store }: Pick<ServiceOptions, 'name' | 'store'>, read: Read = fromRoot): Changes {
  const { changes, edit } = editor(read);
  edit('docker-bake.hcl', [/(?<=^ {2}default = \[[^\]]*"ratings"[^\]]*)(?=\])/m, `, "${name}"`]);
  edit('docker-compose.yml', [
    /^(?= {2}# --- profile lab-faults)/m,
    `  ${name}-v1:
    <<: *service
    image: \${IMAGE_PREFIX}/${name}:\${IMAGE_TAG}
    build: { context: ., args: { SERVICE: ${name}, NODE_IMAGE: "\${NODE_IMAGE}" } }
    hostname: ${name}-v1
    networks: { default: { aliases: [${name}] } }
    environment: { <<: *environment, SERVICE_VERSION: v1 }

`,
  ]);
  edit('compose/prometheus.yml', [/(?<=^( *)- details-v1\n)/m, `$1- ${name}-v1\n`]);

  const details = 'k8s/kustomize/app/details';
  for (const file of filesBelow(join(ROOT, details)))
    changes.set(`k8s/kustomize/app/${name}/${file}`, read(`${details}/${file}`).replaceAll('details', name));
  if (store) edit(`k8s/kustomize/app/${name}/v1/deployment.yaml`, [/$/, stateOf(name)]);
  edit('k8s/kustomize/app/kustomization.yaml', [/(?<=^ {2}- details\n)/m, `  - ${name}\n`]);

  for (const [file, policy] of [
    ['istio/destination-rule-all.yaml', ''],
    ['istio/destination-rule-all-mtls.yaml', '  trafficPolicy:\n    tls:\n      mode: ISTIO_MUTUAL\n'],
  ] as const)
    edit(file, [
      /$/,
      `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: ${name}
spec:
  host: ${name}
${policy}  subsets:
    - name: v1
      labels:
        version: v1
`,
    ]);
  return changes;
}

/** Where a pod keeps state: the end of its Deployment. */
const stateOf = (name: string) => `            - name: DATABASE_FILE
              value: /state/${name}.db
          volumeMounts:
            - name: state
              mountPath: /state
      volumes:
        # The root file system is read-only. What is here outlives the container, not the pod.
        - name: state
          emptyDir: {}
`;

/** The template's files with what was chosen. */
function fromTemplate({ name, calls, store }: ServiceOptions): Changes {
  const files: Changes = new Map();
  const renamed = (text: string) =>
    text
      .replaceAll('sample', name)
      .replaceAll('Sample', capital(name))
      .replaceAll('../contract.ts', '@bookinfo/contract');
  for (const file of filesBelow(TEMPLATE)) {
    if ((file === 'src/store.ts' && !store) || (file === 'src/backends.ts' && calls.length === 0)) continue;
    const text = renamed(chosen(readFileSync(join(TEMPLATE, file), 'utf8'), calls, store));
    if (file === 'contract.ts') files.set(`packages/contract/src/${name}.ts`, text);
    else files.set(`services/${name}/${file.replace('sample', name)}`, text);
  }
  const manifest = JSON.parse(readFileSync(join(TEMPLATE, 'package.json'), 'utf8'));
  const { typebox: _, fastify, ...dependencies } = manifest.dependencies;
  const made = {
    ...manifest,
    name: `@bookinfo/${name}`,
    description: `Made by new:service ${name}`,
    dependencies: { ...dependencies, ...(calls.length > 0 && { fastify }) },
  };
  files.set(`services/${name}/package.json`, `${JSON.stringify(made, null, 2)}\n`);
  return files;
}

/** Leaves out the lines that are marked with what was not chosen, and repeats those for each call. */
function chosen(text: string, calls: readonly string[], store: boolean): string {
  const wanted: Record<string, boolean> = { '--calls': calls.length > 0, '--store': store };
  let skipped = false;
  return text
    .split('\n')
    .flatMap((line) => {
      const [, block] = /^ *\/\/ with (--\w+)$/.exec(line) ?? [];
      if (block) skipped = !wanted[block];
      if (block || /^ *\/\/ end$/.test(line)) {
        if (!block) skipped = false;
        return [];
      }
      if (skipped) return [];
      const [, rest = line, condition] = /^(.*\S) \/\/ with (--\w+)$/.exec(line) ?? [];
      if (condition) return wanted[condition] ? [rest] : [];
      const [, repeated] = /^(.*\S) \/\/ for each of --calls$/.exec(line) ?? [];
      if (repeated === undefined) return [line];
      return calls.map((callee) =>
        repeated
          .replaceAll('BookDetails', schemaOf(callee))
          .replaceAll('details', callee)
          .replaceAll('DETAILS', callee.toUpperCase()),
      );
    })
    .join('\n');
}

/** Who may ask it and whom it may ask, where nothing is allowed that is not said. */
function allow({ name, calls, calledByPage, store }: ServiceOptions, edit: Edit) {
  const file = 'istio/authorization-least-privilege.yaml';
  if (calledByPage)
    edit(file, [
      /$/,
      `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${name}
spec:
  selector:
    matchLabels:
      app: ${name}
  action: ALLOW
  rules:
    - from:
        - source:
            serviceAccounts: [bookinfo-productpage]
      to:
        - operation:
            methods: [GET${store ? ', PUT' : ''}]
            paths: [/${name}/*]
`,
    ]);
  const network = 'k8s/kustomize/lessons/network-policy';
  for (const callee of calls) {
    edit(file, [
      new RegExp(`(?<=^  name: ${callee}\\n(?:(?!---)[\\s\\S])*?serviceAccounts: \\[[^\\]]*)(?=\\])`, 'm'),
      `, bookinfo-${name}`,
    ]);
    edit(`${network}/${callee}.yaml`, [
      /(?<=^ {2}ingress:\n {4}- from:\n)/m,
      `        - podSelector:\n            matchLabels:\n              app: ${name}\n`,
    ]);
  }
  if (calledByPage) edit(`${network}/productpage.yaml`, [/(?<=values: \[details[^\]]*)(?=\])/, `, ${name}`]);
}

function networkPolicy({ name, calls, calledByPage }: ServiceOptions): string {
  const callers = calledByPage
    ? `  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: productpage
      ports:
        - port: 9080
`
    : '';
  const callees =
    calls.length > 0
      ? `  egress:
    - to:
        - podSelector:
            matchExpressions:
              - key: app
                operator: In
                values: [${calls.join(', ')}]
      ports:
        - port: 9080
`
      : '';
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${name}
spec:
  podSelector:
    matchLabels:
      app: ${name}
  policyTypes: [${calls.length > 0 ? 'Ingress, Egress' : 'Ingress'}]
${callers}${callees}`;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}
