import { backendSpecs, chassisSpecs, flag, readEnvironment, text } from '@bookinfo/chassis';
import { str } from 'envalid';

export type Config = ReturnType<typeof readConfig>;

const colorName = text((input) => /^[a-z]{1,30}$/.test(input));

export function readConfig(env: NodeJS.ProcessEnv) {
  const specs = {
    ...chassisSpecs,
    ...backendSpecs('RATINGS'),
    /** v1: false. v2 and v3: true. */
    ENABLE_RATINGS: flag(),
    /** v2: black. v3: red. */
    STAR_COLOR: colorName({ default: 'black', desc: 'a colour name in lower case, such as black or red' }),
    /** `null`, the word, is what a reader of the JSON sees when there is no cluster name. */
    CLUSTER_NAME: str({ default: 'null', desc: 'the name of this cluster' }),
  };
  return readEnvironment(env, specs, ({ STAR_COLOR }) => ({ RATINGS_TIMEOUT_MS: ratingsTimeoutMs(STAR_COLOR) }));
}

/**
 * The fault-injection lesson stands on these two. v2 waits 10 s for ratings, so a delay of 7 s gets through here, but
 * not through productpage, which gives up after 2 × 3 s. v3 is the fixed version: it answers after 2.5 s without stars.
 */
function ratingsTimeoutMs(starColor: string): number {
  return starColor === 'black' ? 10_000 : 2_500;
}
