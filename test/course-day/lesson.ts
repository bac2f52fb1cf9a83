export interface Lesson {
  /** For `--only`. */
  name: string;
  title: string;
  teach(): Promise<void>;
}

export const lesson = (name: string, title: string, teach: () => Promise<void>): Lesson => ({ name, title, teach });
