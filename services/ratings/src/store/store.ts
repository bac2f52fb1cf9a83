import type { StarsByReviewer } from '@bookinfo/contract';
import type { FastifyBaseLogger } from 'fastify';

export interface Store {
  /** @throws {HttpError} 500 with the text that tutorials show when the database fails; `log` gets the cause */
  read(productId: number, log: FastifyBaseLogger): Promise<StarsByReviewer>;
  /** Absent where ratings are read-only. Returns what is stored now. */
  write?(productId: number, stars: StarsByReviewer): StarsByReviewer;
  close(): Promise<void>;
}

/** How long a database may take to be reached or to answer: below the 2.5 s that reviews v3 waits for all of it. */
export const DATABASE_TIMEOUT_MS = 2000;

/** The databases hold bare numbers in key order; the first belongs to Reviewer1, the second to Reviewer2. */
export function byReviewer([first, second]: number[]): StarsByReviewer {
  return {
    ...(first !== undefined && { Reviewer1: first }),
    ...(second !== undefined && { Reviewer2: second }),
  };
}
