/** The cheapest collector there is: it takes what comes over OTLP/HTTP and looks at nothing. */
import { createServer } from 'node:http';

createServer((request, response) => request.resume().on('end', () => response.end())).listen(
  Number(process.env.PORT),
  '127.0.0.1',
  () => console.log('listening'),
);
