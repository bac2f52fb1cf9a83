/** The whole course day by itself, on the student's cluster: the test project `cluster`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import { borrowCluster, routing } from '../../test/cluster/before-and-after.ts';
import { runProject } from '../../test/run-project.ts';
import { confirm } from '../confirm.ts';
import { connect, requireIstio } from '../kubectl.ts';

const TESTS = join(import.meta.dirname, '../../test/cluster');

/** As the tests are called up to the colon, in the order of their files. */
const LESSONS: readonly string[] = readdirSync(TESTS)
  .filter((name) => name.endsWith('.test.ts'))
  .flatMap((name) => [...readFileSync(join(TESTS, name), 'utf8').matchAll(/^lesson\(\s*['"`]([\w-]+): /gm)])
  .map(([, lesson]) => lesson ?? '');

export const rehearse = new Command('rehearse')
  .summary('goes through the whole day by itself')
  .description(
    'Goes through the course day by itself, and checks what docs/lab.md tells a student to see. All routing in the namespace default is put aside meanwhile, and put back in the end: also after Ctrl-C, or when the terminal is closed.',
  )
  .argument('[lesson...]', 'only these', readLesson)
  .option('--yes', 'do not ask before routing is put aside')
  .option('--retry <times>', 'try a failed lesson again', readTimes)
  .option('--bail <times>', 'stop after so many failures', readTimes)
  .option('--reporter <name>', 'a reporter of vitest, such as junit or json')
  .option('--context <name>', 'the current context of kubectl, if it does not look like a cluster on this machine')
  .addHelpText(
    'after',
    `
Lessons: ${LESSONS.join(' ')}

  GATEWAY_URL   where the ingress gateway answers, if neither localhost nor the address of its Service does`,
  )
  .action(async (lessons, { yes, retry, bail, reporter, context }, command) => {
    const cluster = await connect({ context, toChange: true });
    const current = (await connect()).context;
    if (cluster.context !== current)
      command.error(
        `error: the lessons use the current context, ${current}: kubectl config use-context ${cluster.context}`,
      );
    await requireIstio(cluster);
    const own = await routing();
    if (own.length > 0) {
      console.log(
        `Put aside meanwhile, and put back in the end, in context ${current}:\n${own.map((it) => `  ${it}`).join('\n')}`,
      );
      if (!yes && !process.stdin.isTTY) command.error('error: there is nobody to ask: say --yes');
      if (!yes && !(await confirm('Begin?'))) return console.log('Nothing was changed.');
    }
    const options = Object.entries({ retry, bail, reporter }).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}=${value}`],
    );
    const only = lessons ? [`--testNamePattern=^(${lessons.join('|')}):`] : [];
    await runProject('cluster', [...only, ...options], borrowCluster);
  });

function readLesson(name: string, before: string[] = []): string[] {
  if (LESSONS.includes(name)) return [...before, name];
  throw new InvalidArgumentError(`The lessons are ${LESSONS.join(' ')}.`);
}

function readTimes(word: string): string {
  if (/^\d+$/.test(word)) return word;
  throw new InvalidArgumentError('It is a number.');
}
