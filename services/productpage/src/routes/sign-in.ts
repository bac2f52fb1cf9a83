import { type App, HttpError } from '@bookinfo/chassis';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { signIn, signOut, UserName } from '../session.ts';

const LoginForm = Type.Object({ username: UserName });

/** `POST /login` and `GET /logout`, as scripts written for Bookinfo call them. */
export async function signInRoutes(app: App): Promise<void> {
  app.post('/login', {
    schema: { body: LoginForm },
    schemaErrorFormatter: () =>
      new HttpError(400, 'username must be 1 to 64 characters, none of them a control character'),
    handler: async (request, reply) => {
      signIn(reply, request.body.username);
      return reply.redirect(whereTheUserWas(request), 302);
    },
  });

  app.get('/logout', async (request, reply) => {
    signOut(reply);
    return reply.redirect(whereTheUserWas(request), 302);
  });
}

/** The page of this site that the request came from, else the product page. Never another site. */
function whereTheUserWas(request: FastifyRequest): string {
  const { referer, host } = request.headers;
  if (referer && URL.canParse(referer)) {
    const url = new URL(referer);
    // A path of two slashes would name another host.
    if (url.host === host) return url.pathname.replace(/^\/+/, '/') + url.search;
  }
  // Relative, so that it holds under a path prefix.
  return 'productpage';
}
