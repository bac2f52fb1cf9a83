import { type App, createApp } from '@bookinfo/chassis';
import { Type } from 'typebox';
import type { Config } from './config.ts';
import { createKeys } from './keys.ts';

const User = Type.Object({ user: Type.String({ minLength: 1, maxLength: 64 }) });
const Given = Type.Object({ token: Type.String(), expiresIn: Type.Integer() });

/** Who tests what is new. */
const TESTERS = ['jason'];

export async function buildApp(config: Config): Promise<App> {
  const app = await createApp('auth', config);
  const keys = await createKeys(config.TOKEN_SECONDS);

  app.get('/health', async () => ({ status: 'Auth is healthy' }));

  // As at the page, anybody may say who they are: the exercise is about what becomes of the token.
  app.post('/tokens', { schema: { body: User, response: { 200: Given } } }, async ({ body: { user } }) => ({
    token: await keys.sign({ sub: user, group: TESTERS.includes(user) ? 'testers' : 'readers' }),
    expiresIn: config.TOKEN_SECONDS,
  }));

  return app;
}
