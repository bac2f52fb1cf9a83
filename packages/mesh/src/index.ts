export { type Answer, inWords, type RawAnswer, readAnswer } from './answers.ts';
export {
  addressOf,
  type Explanation,
  explain,
  type Request,
  type Skipped,
  type Step,
  UnknownSource,
} from './explain.ts';
export type { Outcome } from './outcomes.ts';
export { flat, type Line, render, troubles, whyNot } from './render.ts';
export { type Manifest, Refusal, readManifests } from './world.ts';
