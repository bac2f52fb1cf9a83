/** What the whole run knows. */
export const session = {
  /** Where the ingress gateway answers. */
  gateway: '',
  /** By a signal: nothing new is begun, and everything put back. */
  interrupted: false,
  /** What the lesson has applied on top of the application with its gateway and its subsets. */
  applied: [] as string[],
};
