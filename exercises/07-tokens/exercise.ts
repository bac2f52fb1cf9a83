import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { defineExercise, eventually, Finding, hold, type OpenOptions } from '../check/exercise.ts';
import { filesIn, Mesh, type MeshQuestion, manifestsOf, readFiles } from '../check/mesh.ts';
import { openShop, type Shop } from '../check/shop.ts';

const ISSUER = 'bookinfo-auth';
const AUDIENCE = 'bookinfo';
const JWKS = '/.well-known/jwks.json';
const KEYS = 'services/auth/src/keys.ts';
const POLICIES = 'tokens/policies.yaml';
const DAY_SECONDS = 86_400;

interface Context extends AsyncDisposable {
  shop: Shop;
  /** What the policies make of requests, with the keys where `jwksUri` says. */
  mesh: Mesh;
}

function tokenOf(status: number, text: string, look: string): string {
  const { token } = status === 200 ? (JSON.parse(text) as { token?: unknown }) : {};
  const seen = `${status} ${text.slice(0, 200)}`;
  hold(typeof token === 'string', { expected: 'POST /tokens answers 200 with {"token":"…"}', seen, look });
  return token;
}

/** From the process that this check has started. */
async function tokenFor(user: string, shop: Shop): Promise<string> {
  const { status, text } = await shop.ask('auth', '/tokens', { method: 'POST', json: { user } });
  return tokenOf(status, text, 'services/auth/src/app.ts');
}

/** From the auth that the mesh trusts: the one in the cluster, if there is one. */
async function tokenInMesh(user: string, { shop, mesh: { cluster } }: Context): Promise<string> {
  if (!cluster) return tokenFor(user, shop);
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${await cluster.gateway()}/tokens`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ user }),
  });
  return tokenOf(answer.status, await answer.text(), 'kubectl get pods -l app=auth, and tokens/gateway.yaml');
}

async function publishedKeys(shop: Shop, path = JWKS): Promise<JSONWebKeySet> {
  const answer = await shop.ask('auth', path);
  const keys = answer.status === 200 ? (answer.json() as Partial<JSONWebKeySet>).keys : undefined;
  hold(Array.isArray(keys) && keys.length > 0, {
    expected: `GET ${path} of auth answers {"keys":[…]}`,
    seen: `${answer.status} ${answer.text.slice(0, 200)}`,
    cause: 'whoever checks a token asks for the keys: nobody is told them beforehand',
    look: 'services/auth/src/app.ts',
  });
  return { keys };
}

/** As any program would that knows nothing of auth but its name and its address. */
async function verify(token: string, keys: JSONWebKeySet, currentDate = new Date()): Promise<void> {
  await jwtVerify(token, createLocalJWKSet(keys), {
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    currentDate,
  }).catch((error: unknown) => {
    if (!(error instanceof errors.JOSEError)) throw error;
    throw new Finding({ expected: 'a token that verifies with the published keys', seen: error.message, look: KEYS });
  });
}

const kidsOf = ({ keys }: JSONWebKeySet): (string | undefined)[] => keys.map(({ kid }) => kid);
const rotate = async (shop: Shop): Promise<void> => {
  const { status, text } = await shop.ask('auth', '/keys', { method: 'POST' });
  hold(status >= 200 && status < 300, {
    expected: 'POST /keys of auth makes a new key and answers 204',
    seen: `${status} ${text.slice(0, 200)}`,
    look: 'services/auth/src/app.ts',
  });
};

/** The manifests with the keys in the place of their address, as istiod hands them to the proxies. */
async function withKeys({ shop, mesh: { manifests, cluster } }: Context): Promise<Mesh> {
  interface Rule {
    jwksUri?: string;
  }
  const fetched = async ({ jwksUri, ...rule }: Rule) => {
    if (jwksUri === undefined) return rule;
    return { ...rule, jwks: JSON.stringify(await publishedKeys(shop, URL.parse(jwksUri)?.pathname)) };
  };
  const all = await Promise.all(
    manifests.map(async (manifest) => {
      if (manifest.kind !== 'RequestAuthentication') return manifest;
      const spec = manifest.spec as { jwtRules?: Rule[] };
      return { ...manifest, spec: { ...spec, jwtRules: await Promise.all((spec.jwtRules ?? []).map(fetched)) } };
    }),
  );
  return new Mesh(all, cluster);
}

/** Tokens that nobody may accept, by what is wrong with them. */
async function forgeries(token: string, keys: JSONWebKeySet): Promise<Record<string, string>> {
  const claims = decodeJwt(token);
  const header = { ...decodeProtectedHeader(token), alg: 'ES256' };
  const [published = {} as JWK] = keys.keys;
  const { privateKey } = await generateKeyPair('ES256');
  const own = (more: object = {}) => new SignJWT({ ...claims, ...more }).setProtectedHeader(header).sign(privateKey);
  const pem = await exportSPKI((await importJWK(published, 'ES256', { extractable: true })) as CryptoKey);
  return {
    'signed by nobody (alg none)': new UnsecuredJWT(claims).encode(),
    'signed with the public key as if it were a secret (HS256)': await new SignJWT(claims)
      .setProtectedHeader({ ...header, alg: 'HS256' })
      .sign(new TextEncoder().encode(pem)),
    'signed with another key under the name of the right one': await own(),
    'of another issuer': await own({ iss: 'somebody-else' }),
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const API = '/api/v1/products/0';
/** What is asked for, and which of the callers below get it. */
const TARGETS = [
  { what: 'the page', method: 'GET', url: '/productpage' },
  { what: 'the API', method: 'GET', url: API },
  { what: 'a token', method: 'POST', url: '/tokens' },
  { what: 'a new key', method: 'POST', url: '/keys' },
] as const;
/** `auth`: whatever auth says to a request without a body, which the model does not know. */
const MATRIX: Record<string, readonly [page: string, api: string, tokens: 'auth', keys: string]> = {
  nobody: ['200 v1', '403', 'auth', '404'],
  forger: ['401', '401', 'auth', '404'],
  tom: ['200 v1', '403', 'auth', '404'],
  jason: ['200 v1', '200 v1', 'auth', '404'],
};

/** @throws {Finding} unless the answer is the one that is wanted, every time */
async function demand(mesh: Mesh, wanted: string, who: string, request: Omit<MeshQuestion, 'times' | 'expected'>) {
  const found = await mesh.ask({ ...request, times: 3, expected: { [wanted]: 1 } });
  if (found) throw new Finding({ ...found, expected: `${wanted} for ${who}`, look: POLICIES });
}

async function open(tree: string, { signal, cluster }: OpenOptions): Promise<Context> {
  const files = ['k8s/bookinfo.yaml', 'istio/bookinfo-gateway.yaml', ...filesIn(tree, 'tokens')];
  const manifests = manifestsOf(readFiles(tree, files));
  const shop = await openShop(tree, signal, (it) => it.start('auth-v1'));
  return { shop, mesh: new Mesh(manifests, cluster), [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() };
}

export default defineExercise<Context>({
  title: { en: 'A token of jason, and what it is good for', ko: 'jason의 토큰, 그리고 그것으로 할 수 있는 일' },
  day: 3,
  minutes: 90,
  open,
  openInCluster: open,
  questions: [
    {
      name: 'auth signs with a private key (ES256), and says who signed, for whom, and until when',
      hint: 1,
      async ask({ shop }) {
        const token = await tokenFor('jason', shop);
        const { alg } = decodeProtectedHeader(token);
        hold(alg === 'ES256', {
          expected: 'a token signed with ES256',
          seen: `${alg}`,
          cause: 'with a shared secret (HS256), whoever can check tokens can make them',
          look: KEYS,
        });
        const { iss, aud, sub, exp, group } = decodeJwt<{ group?: string }>(token);
        const claims = { iss, aud, sub, group };
        const wanted = { iss: ISSUER, aud: AUDIENCE, sub: 'jason', group: 'testers' };
        hold(JSON.stringify(claims) === JSON.stringify(wanted), {
          expected: `claims ${JSON.stringify(wanted)}`,
          seen: JSON.stringify(claims),
          look: KEYS,
        });
        const seconds = (exp ?? Number.POSITIVE_INFINITY) - Date.now() / 1000;
        hold(seconds <= DAY_SECONDS, {
          expected: 'a token that runs out (exp) within a day',
          seen: exp === undefined ? 'a token for ever' : `one for ${Math.round(seconds)} s`,
          look: KEYS,
        });
      },
    },
    {
      name: 'auth publishes the keys that its tokens verify with, and no private part of them',
      hint: 1,
      async ask({ shop }) {
        const token = await tokenFor('jason', shop);
        const keys = await publishedKeys(shop);
        hold(!keys.keys.some((it) => 'd' in it), {
          expected: 'public keys',
          seen: 'a key with its private part, d',
          cause: 'whoever reads it makes tokens',
          look: KEYS,
        });
        await verify(token, keys);
        const { exp = 0 } = decodeJwt(token);
        const late = await verify(token, keys, new Date((exp + 3600) * 1000)).catch((error: unknown) => error);
        hold(late instanceof Finding, {
          expected: 'a token that is refused when it has run out',
          seen: 'one that is not',
        });
      },
    },
    {
      name: 'a new key signs from now on, and the tokens of the old one stay good',
      hint: 1,
      async ask({ shop }) {
        const before = await tokenFor('jason', shop);
        await rotate(shop);
        const after = await tokenFor('jason', shop);
        const keys = await publishedKeys(shop);
        const [old, fresh] = [before, after].map((it) => decodeProtectedHeader(it).kid);
        hold(fresh !== undefined && old !== undefined && fresh !== old, {
          expected: 'another kid in the header of the next token',
          seen: `${old}, then ${fresh}`,
          cause: 'kid tells which of the published keys to take',
          look: KEYS,
        });
        await verify(after, keys);
        hold(kidsOf(keys).includes(old), {
          expected: 'the old key among the published ones, as long as tokens of it are good',
          seen: kidsOf(keys).join(', '),
          cause: 'who got a token a second ago is thrown out',
          look: KEYS,
        });
        await verify(before, keys);
      },
    },
    {
      name: 'the old key goes when its last token has run out',
      async ask({ shop }) {
        await shop.kill('auth-v1', 'SIGTERM');
        await shop.start('auth-v1', { TOKEN_SECONDS: '1' });
        const [old] = kidsOf(await publishedKeys(shop));
        await rotate(shop);
        await eventually(
          async () => (kidsOf(await publishedKeys(shop)).includes(old) ? undefined : true),
          () => ({
            expected: 'the key of tokens that were good for 1 s is gone after 10 s',
            seen: 'it is still published',
            cause: 'a key that is never withdrawn is one that may be stolen for ever',
            look: KEYS,
          }),
        );
        await shop.kill('auth-v1', 'SIGTERM');
        await shop.start('auth-v1');
      },
    },
    {
      name: 'istiod finds the keys where the RequestAuthentication says, and a good token is accepted',
      hint: 2,
      async ask(context) {
        const token = await tokenInMesh('jason', context);
        await demand(context.mesh, '200 v1', 'jason, who asks for the API', { url: API, headers: bearer(token) });
        await withKeys(context);
      },
    },
    {
      name: 'a token that is not of auth is refused',
      async ask(context) {
        const token = await tokenInMesh('jason', context);
        const mesh = await withKeys(context);
        for (const [what, forged] of Object.entries(await forgeries(token, await publishedKeys(context.shop))))
          await demand(mesh, '401', `a token ${what}`, { url: API, headers: bearer(forged) });
      },
    },
    {
      name: 'everybody gets what they may, and nothing else',
      async ask(context) {
        const jason = await tokenInMesh('jason', context);
        const tokens: Record<string, string> = {
          jason,
          tom: await tokenInMesh('tom', context),
          forger: jason.replace(/.(?=[^.]{20}$)/, (letter) => (letter === 'A' ? 'B' : 'A')),
        };
        const mesh = await withKeys(context);
        const ofAuth = mesh.cluster ? '400 v1' : 'unknown';
        for (const [caller, row] of Object.entries(MATRIX))
          for (const [i, { what, method, url }] of TARGETS.entries()) {
            const headers = tokens[caller] === undefined ? {} : bearer(tokens[caller]);
            const wanted = row[i] === 'auth' ? ofAuth : (row[i] ?? '');
            await demand(mesh, wanted, `${caller}, who asks for ${what}`, { method, url, headers });
          }
      },
    },
    {
      name: 'a neighbour in the mesh with a stolen token gets nothing',
      hint: 3,
      async ask(context) {
        const headers = bearer(await tokenInMesh('jason', context));
        const mesh = await withKeys(context);
        for (const [method, url] of [
          ['GET', `http://productpage:9080${API}`],
          ['GET', 'http://productpage:9080/productpage'],
          ['POST', 'http://auth:9080/keys'],
        ] as const)
          await demand(mesh, '403', `ratings, which asks ${method} ${url}`, {
            from: 'ratings-v1',
            method,
            url,
            headers,
          });
      },
    },
  ],
  refused: {
    start: 'with a shared secret (HS256), whoever can check tokens can make them',
    wrong: {
      'no-issuer': '"aud":"bookinfo"',
      'no-keys': 'nobody is told them beforehand',
      'forgets-the-old-key': 'is thrown out',
      'asks-for-no-token': '403 for nobody, who asks for the API',
      'short-name': 'finds no Service auth',
    },
  },
});
