export { type Explanation, explain, type Request, type Skipped, type Step, UnknownSource } from './explain.ts';
export { type Outcome, percent } from './outcomes.ts';
export { type Manifest, Refusal } from './world.ts';
