import { apply, deploy, kubectl } from './cluster.ts';
import { lesson } from './lesson.ts';
import { all, get, stars } from './pages.ts';
import { check, eventually, Skip } from './results.ts';

export const databases = [
  lesson('mysql', 'Ratings from MySQL, under STRICT', async () => {
    await deploy('k8s/bookinfo-mysql.yaml');
    await deploy('k8s/bookinfo-ratings-v2-mysql.yaml');
    await apply('istio/virtual-service-ratings-mysql.yaml', 'istio/security-policy.yaml');
    await starsFollow((rating) => {
      const sql = `mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" test -e "UPDATE ratings SET Rating = ${rating} WHERE ReviewID = 1"`;
      return ['mysqldb-v1-0', '--container=mysqldb', '--', 'sh', '-c', sql];
    });
  }),

  lesson('mongodb', 'Ratings from MongoDB, under STRICT', async () => {
    await deploy('k8s/bookinfo-db.yaml');
    await deploy('k8s/bookinfo-ratings-v2.yaml');
    await apply('istio/virtual-service-ratings-db.yaml', 'istio/security-policy.yaml');
    await starsFollow((rating) => {
      const change = `db.ratings.updateOne({ _id: 1 }, { $set: { rating: ${rating} } })`;
      return ['mongodb-v1-0', '--container=mongodb', '--', 'mongosh', '--quiet', 'test', '--eval', change];
    });
  }),

  lesson('egress', 'details v2 asks Google Books, by TLS that the sidecar adds', async () => {
    await apply('istio/egress-rule-google-apis.yaml', 'istio/virtual-service-details-v2.yaml');
    await deploy('k8s/bookinfo-details-v2.yaml');
    const answer = await eventually(
      () => get('/api/v1/products/0'),
      ({ body }) => !body.includes('PublisherA'),
    );
    if (answer.status >= 500) throw new Skip(`Google Books does not answer from here: ${answer.status}`);
    check(answer.status === 200 && answer.body.includes('0486424618'), `the book that Google knows: ${answer.body}`);
  }),
];

/** A rating that changes in the database changes on the page. */
async function starsFollow(setFirstRating: (rating: number) => string[]): Promise<void> {
  for (const rating of [5, 1, 5]) {
    await kubectl(['exec', ...setFirstRating(rating)]);
    await all((page) => `${stars(page)} stars`, `${rating + 4} stars`);
  }
}
