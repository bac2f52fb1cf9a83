import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose';

const ALGORITHM = 'ES256';
const ISSUER = 'bookinfo-auth';
const AUDIENCE = 'bookinfo';

/** What a token says of its bearer. */
export interface Claims {
  sub: string;
  group: string;
}

export interface Keys {
  /** A token that is good for as long as was said when the keys were made. */
  sign(claims: Claims): Promise<string>;
  /** The public parts of the key that signs, and of those before it whose tokens may still be good. */
  published(): JSONWebKeySet;
  /** Signs with a new key from now on. */
  rotate(): Promise<void>;
}

interface Key {
  privateKey: CryptoKey;
  jwk: JSONWebKeySet['keys'][number] & { kid: string };
  /** Unix time, in seconds, of the last token's end; of a key that still signs, never. */
  until: number;
}

const now = (): number => Math.floor(Date.now() / 1000);

async function createKey(): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM);
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { privateKey, jwk: { ...jwk, kid, alg: ALGORITHM, use: 'sig' }, until: Number.POSITIVE_INFINITY };
}

export async function createKeys(tokenSeconds: number): Promise<Keys> {
  let current = await createKey();
  let old: Key[] = [];
  return {
    sign: ({ sub, ...claims }) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: ALGORITHM, kid: current.jwk.kid })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(sub)
        .setIssuedAt()
        .setExpirationTime(`${tokenSeconds} s`)
        .sign(current.privateKey),
    published() {
      old = old.filter(({ until }) => until >= now());
      return { keys: [current, ...old].map(({ jwk }) => jwk) };
    },
    async rotate() {
      const next = await createKey();
      old.push({ ...current, until: now() + tokenSeconds });
      current = next;
    },
  };
}
