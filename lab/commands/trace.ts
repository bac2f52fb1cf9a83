/** The last page's trace as a tree, and whether it is whole. */
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import type { Span } from '../../local/otlp.ts';
import { drawTree } from '../../local/trace-tree.ts';
import { connect } from '../kubectl.ts';
import { Obstacle } from '../obstacle.ts';
import { gaps, type Jaeger, jaegerAt, jaegerOf, lastTrace, traceById } from '../trace.ts';

export const trace = new Command('trace')
  .summary("the last page's trace as a tree, and whether it is whole")
  .description("The last page's trace from Jaeger as a tree, and whether it is whole: one root, no orphan, every hop.")
  .argument('[id]', 'of another trace, as the foot of a page names it', readId)
  .option('--url <url>', 'where the pages of another Jaeger are, such as http://localhost:16686', readUrl)
  .option('--context <name>', 'of kubectl, instead of the current one')
  .option('--json', 'for programs')
  .addHelpText('after', '\nNo port has to be forwarded. Exit code 1: it is not whole.')
  .action(async (id, { url, context, json }) => {
    const jaeger = url === undefined ? await jaegerOf(await connect({ context })) : await jaegerAt(url);
    const { spans, missing } = await settled(jaeger, id);
    if (spans.length === 0)
      throw id === undefined
        ? new Obstacle('Jaeger has no trace of a page from the last hour', 'npx pnpm@12 lab traffic')
        : new Obstacle(`Jaeger has no trace ${id}`, 'npx pnpm@12 lab trace, for the last one');
    if (json) console.log(JSON.stringify({ traceId: spans[0]?.traceId, whole: missing.length === 0, missing, spans }));
    else {
      console.log(drawTree(spans, { verbose: true, columns: process.stdout.columns ?? 80 }));
      if (missing.length === 0) console.log(`\n${styleText('green', 'whole')}: one root, no orphan, every hop`);
      else for (const gap of missing) console.log(`\n${styleText('red', 'not whole')}: ${gap}`);
    }
    if (missing.length > 0) process.exitCode = 1;
  });

/** Spans of one trace come from several processes, some seconds apart. */
const SETTLE_SECONDS = 12;

async function settled(jaeger: Jaeger, id: string | undefined): Promise<{ spans: Span[]; missing: string[] }> {
  const until = Date.now() + SETTLE_SECONDS * 1000;
  let spans = id === undefined ? await lastTrace(jaeger) : await traceById(jaeger, id);
  const traceId = id ?? spans[0]?.traceId;
  while (traceId !== undefined && gaps(spans).length > 0 && Date.now() < until) {
    await sleep(500);
    spans = await traceById(jaeger, traceId);
  }
  return { spans, missing: gaps(spans) };
}

function readId(word: string): string {
  if (/^[0-9a-f]{32}$/.test(word)) return word;
  throw new InvalidArgumentError('A trace has 32 digits of 0-9 and a-f.');
}

function readUrl(word: string): string {
  if (/^https?:$/.test(URL.parse(word)?.protocol ?? '')) return word;
  throw new InvalidArgumentError('It is a URL, such as http://localhost:16686.');
}
