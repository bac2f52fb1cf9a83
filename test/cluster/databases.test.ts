import { expect } from 'vitest';
import { stars, type Visitor } from '../../lab/visitor.ts';
import { kubectl } from './kubectl.ts';
import { lesson, reaches, seesOnly } from './lesson.ts';

/** What a probe does, more often than MariaDB takes from one address; behind a sidecar there is one address alone. */
const HANG_UP = `
const { connect } = require('node:net');
const once = () => new Promise((done) => {
  const socket = connect(3306, 'mysqldb').once('data', () => socket.destroy()).once('error', done).once('close', done);
});
(async () => { for (let time = 0; time < 120; time++) await once(); })();`;

lesson('mysql: ratings from MySQL, under STRICT', async ({ cluster, visitor }) => {
  await cluster.deploy('k8s/bookinfo-mysql.yaml');
  await cluster.deploy('k8s/bookinfo-ratings-v2-mysql.yaml');
  await cluster.apply('istio/virtual-service-ratings-mysql.yaml', 'istio/security-policy.yaml');
  await kubectl(['exec', 'deployment/ratings-v2-mysql', '--container=ratings', '--', 'node', '--eval', HANG_UP]);
  await reaches('4.2', 'MySQL');
  await starsFollow(visitor, (rating) => {
    const sql = `mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" test -e "UPDATE ratings SET Rating = ${rating} WHERE ReviewID = 1"`;
    return ['mysqldb-v1-0', '--container=mysqldb', '--', 'sh', '-c', sql];
  });
});

lesson('mongodb: ratings from MongoDB, under STRICT', async ({ cluster, visitor }) => {
  await cluster.deploy('k8s/bookinfo-db.yaml');
  await cluster.deploy('k8s/bookinfo-ratings-v2.yaml');
  await cluster.apply('istio/virtual-service-ratings-db.yaml', 'istio/security-policy.yaml');
  await starsFollow(visitor, (rating) => {
    const change = `db.ratings.updateOne({ _id: 1 }, { $set: { rating: ${rating} } })`;
    return ['mongodb-v1-0', '--container=mongodb', '--', 'mongosh', '--quiet', 'test', '--eval', change];
  });
});

lesson('egress: details v2 asks Google Books, by TLS that the sidecar adds', async ({ cluster, visitor, skip }) => {
  await cluster.apply('istio/egress-rule-google-apis.yaml', 'istio/virtual-service-details-v2.yaml');
  await cluster.deploy('k8s/bookinfo-details-v2.yaml');
  const book = () => visitor.get({ path: '/api/v1/products/0' });
  await expect.poll(async () => (await book()).body, { message: 'no more the book of v1' }).not.toContain('PublisherA');
  const { status, body } = await book();
  if (status >= 500) skip(`Google Books does not answer from here: ${status}`);
  expect(status).toBe(200);
  expect(body).toContain('0486424618');
});

/** A rating that changes in the database changes on the page. */
async function starsFollow(visitor: Visitor, setFirstRating: (rating: number) => string[]): Promise<void> {
  for (const rating of [5, 1, 5]) {
    await kubectl(['exec', ...setFirstRating(rating)]);
    await seesOnly(visitor, `${rating + 4} stars`, (page) => `${stars(page)} stars`);
  }
}
