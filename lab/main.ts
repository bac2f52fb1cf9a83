/** `npx pnpm@12 lab COMMAND`: one file per command in commands/. */
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { run } from '../local/program.ts';
import { check } from './commands/check.ts';
import { doctor } from './commands/doctor.ts';
import { explain } from './commands/explain.ts';
import { images } from './commands/images.ts';
import { rehearse } from './commands/rehearse.ts';
import { reset } from './commands/reset.ts';
import { trace } from './commands/trace.ts';
import { traffic } from './commands/traffic.ts';

const program = new Command('npx pnpm@12 lab')
  .usage('COMMAND [options]')
  .description('What helps with the lab of docs/lab.md, on the cluster that kubectl points to.')
  .helpOption('-h, --help', 'this text')
  .helpCommand(false)
  .showHelpAfterError()
  .exitOverride();
const COMMANDS: CommandUnknownOpts[] = [check, doctor, explain, images, rehearse, reset, trace, traffic];
for (const command of COMMANDS) program.addCommand(command.copyInheritedSettings(program));

await run(program);
