import { Ajv } from 'ajv';
import type { Static, TSchema } from 'typebox';

/** One validator for everything that comes in, requests and answers alike. It checks and changes nothing. */
const ajv = new Ajv();

/** Tells whether a value has the shape of `schema`. To be called once per schema: it compiles. */
export function validatorOf<S extends TSchema>(schema: S): (value: unknown) => value is Static<S> {
  return ajv.compile<Static<S>>(schema);
}
