import { type App, HttpError } from '@bookinfo/chassis';
import type { FastifyRequest } from 'fastify';
import { signIn, signOut, userNameOf } from '../session.ts';

/** The original takes the name from the query or from a form of either kind, the query first. */
const Form = { type: 'object', properties: { username: {} } } as const;

/** `POST /login` and `GET /logout`, as scripts written for Bookinfo call them. */
export async function signInRoutes(app: App): Promise<void> {
  app.post('/login', { schema: { querystring: Form } }, async (request, reply) => {
    const { username = fieldOf(request.isMultipart() ? await fieldsOf(request) : request.body) } = request.query;
    const user = userNameOf(username);
    if (user === undefined) {
      throw new HttpError(400, 'username must be 1 to 64 characters, none of them a control character');
    }
    signIn(request, reply, user);
    return reply.redirect(whereTheUserWas(request), 302);
  });

  app.get('/logout', async (request, reply) => {
    signOut(request, reply);
    return reply.redirect(whereTheUserWas(request), 302);
  });
}

/** @throws {FastifyError} 400, 406 or 413 when the form is broken, has a file, or more than a form has */
async function fieldsOf(request: FastifyRequest): Promise<Record<string, unknown>> {
  const fields: Record<string, unknown> = {};
  try {
    for await (const part of request.parts()) if (part.type === 'field') fields[part.fieldname] = part.value;
  } catch (error) {
    // What the parser itself has against a form comes without a status.
    throw error instanceof Error && 'statusCode' in error ? error : new HttpError(400, 'the form cannot be read');
  }
  return fields;
}

function fieldOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'username' in body ? body.username : undefined;
}

/** The page of this site that the request came from, else the product page. Never another site. */
function whereTheUserWas({ headers: { referer, host } }: FastifyRequest): string {
  const url = URL.parse(referer ?? '');
  const isOurs = /^https?:$/.test(url?.protocol ?? '') && url?.host === host;
  // Relative, so that it holds under a path prefix.
  if (!url || !isOurs || /\/log(in|out)$/.test(url.pathname)) return 'productpage';
  // A path of two slashes would name another host.
  return url.pathname.replace(/^[\\/]+/, '/') + url.search;
}
