/** The path that a request's URL names, without the query, which may hold a secret. */
export function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
