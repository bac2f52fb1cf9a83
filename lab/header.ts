import { InvalidArgumentError } from '@commander-js/extra-typings';

/** Reads an option that may be given several times: `name: value`, as curl takes it. Names in lower case. */
export function readHeader(line: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
  if (!name || value === undefined) throw new InvalidArgumentError('A header is "name: value".');
  return { ...before, [name.toLowerCase()]: value };
}
