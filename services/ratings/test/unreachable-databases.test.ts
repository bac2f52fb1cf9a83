import { createServer } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../local/free-port.ts';
import { start, useService } from '../../../test/support/service.ts';

/** Accepts connections and then says nothing, as an overloaded or half-dead database does. */
async function openSilentDatabase() {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const mongodb = (port: number) => ({ SERVICE_VERSION: 'v2', MONGO_DB_URL: `mongodb://127.0.0.1:${port}/test` });
const mysql = (port: number) => ({
  SERVICE_VERSION: 'v2',
  DB_TYPE: 'mysql',
  MYSQL_DB_HOST: '127.0.0.1',
  MYSQL_DB_PORT: String(port),
  MYSQL_DB_USER: 'root',
  MYSQL_DB_PASSWORD: 'secret-password',
});
const COULD_NOT_CONNECT = { status: 500, text: '{"error":"could not connect to ratings database"}' };

describe.concurrent.each([
  ['MongoDB', mongodb],
  ['MySQL', mysql],
])('ratings with a %s that', (_name, env) => {
  test('refuses connections starts all the same and answers 500', async () => {
    await using ratings = await start('ratings', env(await freePort()));
    const headers = { 'x-request-id': 'refused-1' };
    expect(await ratings.request('/ratings/0', { headers })).toMatchObject(COULD_NOT_CONNECT);
    expect(await ratings.request('/health')).toMatchObject({ status: 200 });
    // The cause stands in the log, under the request that met it.
    const causes = () => ratings.lines.filter((line) => line.includes('"level":"error"'));
    await vi.waitFor(() => expect(causes()).toHaveLength(1));
    expect(JSON.parse(causes()[0] ?? '')).toMatchObject({ request_id: 'refused-1', err: expect.anything() });
    expect(ratings.lines.join('\n')).not.toContain('secret-password');
  });

  test('accepts connections and keeps silent answers 500, to many at a time', async () => {
    await using silent = await openSilentDatabase();
    await using ratings = await start('ratings', env(silent.port));
    const begin = performance.now();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ratings.request('/ratings/0')));
    for (const answer of answers) expect(answer).toMatchObject(COULD_NOT_CONNECT);
    // Not one after the other: the last of them would wait for 20 s.
    expect(performance.now() - begin).toBeLessThan(12_000);
  });

  test('has a name that does not resolve answers 500', async () => {
    const { MONGO_DB_URL, ...others } = { MONGO_DB_URL: '', ...env(27017) };
    await using ratings = await start('ratings', {
      ...others,
      ...(MONGO_DB_URL ? { MONGO_DB_URL: 'mongodb://mongodb.invalid' } : { MYSQL_DB_HOST: 'mysqldb.invalid' }),
    });
    expect(await ratings.request('/ratings/0')).toMatchObject(COULD_NOT_CONNECT);
  });
});

describe('ratings with a database', () => {
  const ratings = useService('ratings', () => mysql(1));
  const post = (id: string, body: string) => ratings.request(`/ratings/${id}`, { method: 'POST', body });

  test('stores nothing', async () => {
    expect(await post('0', '{"Reviewer1":5}')).toMatchObject({
      status: 501,
      text: '{"error":"Post not implemented for database backed ratings"}',
    });
  });

  test('checks what is posted all the same', async () => {
    expect(await post('abc', '{"Reviewer1":5}')).toMatchObject({
      status: 400,
      text: '{"error":"please provide numeric product ID"}',
    });
    expect(await post('0', '{"Reviewer1":')).toMatchObject({
      status: 400,
      text: '{"error":"please provide valid ratings JSON"}',
    });
  });
});
