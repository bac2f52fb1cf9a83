/** The engine that builds the images, and other programs that carry them into a cluster. */
import { ExecaError, execa } from 'execa';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Obstacle } from './obstacle.ts';

const ROOT = new URL('..', import.meta.url);

/**
 * What a program prints.
 * @throws {Obstacle} when it is missing, no engine answers, or it fails, with the last line that it said
 */
export async function output(program: string, ...args: string[]): Promise<string> {
  try {
    return (await execa(program, args, { cwd: ROOT })).stdout;
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    if (error.code === 'ENOENT')
      throw new Obstacle(`${program} was not found`, `install it: docs/lab.md, "What you need"`);
    const said = (error.stderr ?? '').trim().split('\n').at(-1) || error.shortMessage;
    if (/docker daemon|docker\.sock/i.test(said))
      throw new Obstacle('No engine answers', 'start Docker Desktop, or the engine');
    throw new Obstacle(`${program} ${args.slice(0, 2).join(' ')} failed: ${said}`, 'npx pnpm@12 lab doctor');
  }
}

/** As `output`, for JSON. */
export async function json<T extends TSchema>(schema: T, program: string, ...args: string[]): Promise<Static<T>> {
  const answer: unknown = JSON.parse(await output(program, ...args));
  Value.Assert(schema, answer);
  return answer;
}

/** Lets a program print to the terminal; `from`: another one that it reads from. Whether all went well. */
export async function run([program, ...args]: Command, from?: Command): Promise<boolean> {
  const options = { cwd: ROOT, reject: false } as const;
  if (!from) return (await execa(program, args, { ...options, stdio: 'inherit' })).exitCode === 0;
  const [source, ...words] = from;
  const piped = execa(source, words, { ...options, stdin: 'ignore', stderr: 'inherit', buffer: false }).pipe(
    program,
    args,
    {
      ...options,
      stdout: 'inherit',
      stderr: 'inherit',
    },
  );
  return (await piped).exitCode === 0;
}
export type Command = [program: string, ...args: string[]];

export interface Image {
  /** `bookinfo-ts/reviews:1.0.0` */
  name: string;
  /** Of docker-bake.hcl. */
  target: string;
  /** `sha256:…`; undefined when the engine does not have it. */
  id: string | undefined;
}

const Bake = Type.Object({
  target: Type.Record(
    Type.String(),
    Type.Object({
      tags: Type.Array(Type.String()),
      output: Type.Optional(Type.Array(Type.Object({ type: Type.String() }))),
    }),
  ),
});
const Inspected = Type.Array(Type.Object({ Id: Type.String() }), { minItems: 1 });

/** The images of a group of docker-bake.hcl. */
export async function imagesOf(group: string): Promise<Image[]> {
  const { target } = await json(Bake, 'docker', 'buildx', 'bake', '--print', group);
  // What others are only built on has the output `cacheonly`.
  const named = Object.entries(target).flatMap(([target, { tags, output = [] }]) =>
    output.some(({ type }) => type === 'cacheonly') ? [] : tags.map((name) => ({ target, name })),
  );
  return Promise.all(
    named.map(async (it) => {
      const { exitCode, stdout } = await execa('docker', ['image', 'inspect', it.name], { reject: false });
      if (exitCode !== 0) return { ...it, id: undefined };
      const found: unknown = JSON.parse(stdout);
      Value.Assert(Inspected, found);
      return { ...it, id: found[0]?.Id };
    }),
  );
}
