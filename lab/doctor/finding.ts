/** One line of `lab doctor`. */
export interface Finding {
  /** What was looked at: `Node`, `images`. */
  what: string;
  /** `later`: its turn has not come yet. `note`: the lab can go on. `obstacle`: it cannot. */
  state: 'fine' | 'later' | 'note' | 'obstacle';
  seen: string;
  /** The remedy, or the step whose turn it is: a command, or where to read on. */
  next?: string;
}

/** `1.31.0-alpha` and `v1.31` are [1, 31]; undefined for what is no version. */
export function minorOf(version: string): [major: number, minor: number] | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return major && minor ? [Number(major), Number(minor)] : undefined;
}
