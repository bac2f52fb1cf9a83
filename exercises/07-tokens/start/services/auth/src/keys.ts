import { SignJWT } from 'jose';

/** What a token says of its bearer. */
export interface Claims {
  sub: string;
  group: string;
}

export interface Keys {
  /** A token that is good for as long as was said when the keys were made. */
  sign(claims: Claims): Promise<string>;
}

/** Everybody who checks a token has to know it, and whoever knows it makes tokens. */
const SECRET = new TextEncoder().encode('bookinfo, and nobody must ever know');

export async function createKeys(tokenSeconds: number): Promise<Keys> {
  return {
    sign: ({ sub, ...claims }) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(sub)
        .setExpirationTime(`${tokenSeconds} s`)
        .sign(SECRET),
  };
}
