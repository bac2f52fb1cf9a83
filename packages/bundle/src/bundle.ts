import { cpSync, existsSync, globSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type OutputChunk, type Plugin, rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Instrumentations wrap these while they are loaded, so they stay packages. */
const PACKAGES = /^(mongodb|mysql2|pino)(?=\/|$)/;
/** Of a package that stays one, what Node never loads. */
const UNUSED = /\.(map|[cm]?ts|(?<!licen[cs]e\.)md)$/i;

/**
 * Writes a service into a folder, for any platform: dist/ with the sources and all they import in a few files,
 * static/ and node_modules/ where it has such, and the licences of what is in it. Stack traces name the sources.
 * @throws {Error} when there is no such service, or something does not resolve
 */
export async function bundle(service: string, folder: string): Promise<void> {
  const source = join(ROOT, 'services', service);
  rmSync(folder, { recursive: true, force: true });
  /** The names of packages that stay such, and who imports them. */
  const importers = new Map<string, string>();
  await using build = await rolldown({
    input: { register: join(ROOT, 'packages/chassis/src/register.ts'), server: join(source, 'src/server.ts') },
    platform: 'node',
    external: (id, importer) => {
      const [name] = PACKAGES.exec(id) ?? [];
      if (name && importer) importers.set(name, importer);
      return name !== undefined;
    },
    plugins: [othersCode],
  });
  const { output } = await build.write({
    dir: join(folder, 'dist'),
    chunkFileNames: '[name].js',
    sourcemap: true,
    sourcemapExcludeSources: true,
    comments: false,
    // What has no source map is apart, where Node does not look for one, and that only once told to: 5 MB less.
    codeSplitting: { groups: [{ name: 'node_modules/dependencies', test: /node_modules/, tags: ['$initial'] }] },
    banner: ({ name }) =>
      name === 'register' ? "import { setSourceMapsSupport } from 'node:module';\nsetSourceMapsSupport(true);" : '',
  });

  cpSync(join(source, 'package.json'), join(folder, 'package.json'));
  if (existsSync(join(source, 'static'))) cpSync(join(source, 'static'), join(folder, 'static'), { recursive: true });
  const chunks = output.filter((file): file is OutputChunk => file.type === 'chunk');
  const bundled = chunks.flatMap(({ modules }) => Object.keys(modules)).filter((id) => id.includes('node_modules'));
  const manifests = new Set(bundled.map((id) => findPackageJSON(pathToFileURL(id)) ?? ''));
  writeFileSync(join(folder, 'LICENSES'), licencesOf([...manifests]));
  for (const [name, importer] of importers) copyPackage(name, importer, join(folder, 'node_modules'));
}

/** Has no source map, which would be 60 MB of each process. */
const othersCode: Plugin = {
  name: 'others-code',
  transform: {
    filter: { id: /node_modules/ },
    // OpenTelemetry's packages come out of a bundler that hides the packages they load later behind createRequire.
    handler: (code) => ({ code: code.replaceAll('__require("', 'require("'), map: { mappings: '' } }),
  },
  generateBundle(_options, files) {
    for (const [name, file] of Object.entries(files)) {
      if (file.type === 'chunk' && file.map?.sources.length === 0) {
        delete files[`${name}.map`];
        file.code = file.code.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
      }
    }
  },
};

interface Manifest {
  name: string;
  version: string;
  dependencies: Record<string, string>;
}

function readManifest(path: string): Manifest {
  return { dependencies: {}, ...JSON.parse(readFileSync(path, 'utf8')) };
}

/** Each text once, below the packages that it is the licence or notice of. */
function licencesOf(manifests: string[]): string {
  const packages = new Map<string, string[]>();
  for (const manifest of manifests) {
    const { name, version } = readManifest(manifest);
    for (const file of globSync('{LICEN[CS]E,licen[cs]e,NOTICE}{,.*,-*}', { cwd: dirname(manifest) })) {
      const text = readFileSync(join(dirname(manifest), file), 'utf8').trim();
      packages.set(text, [...(packages.get(text) ?? []), `${name} ${version}`]);
    }
  }
  return [...packages].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`).join(`\n${'-'.repeat(80)}\n\n`);
}

/** Copies a package and all it depends on, side by side. */
function copyPackage(name: string, from: string, folder: string): void {
  // By its real path, next to which pnpm puts what it depends on.
  const manifest = realpathSync(findPackageJSON(name, from) ?? '');
  const { version, dependencies } = readManifest(manifest);
  const target = join(folder, name);
  if (existsSync(target)) {
    const other = readManifest(join(target, 'package.json')).version;
    if (other !== version) throw new Error(`two versions of ${name} are needed: ${other} and ${version}`);
    return;
  }
  const source = dirname(manifest);
  cpSync(source, target, { recursive: true, filter: (path) => !UNUSED.test(path.slice(source.length)) });
  for (const dependency of Object.keys(dependencies)) copyPackage(dependency, manifest, folder);
}
