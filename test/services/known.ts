import type { Service } from '../../local/workloads.ts';

/** What the tests of all services know about each. */
interface Known {
  /** The body of /health. */
  health: string;
  /** What the service is there for. */
  route: string;
  /** One path of each route that it alone has, with its methods. */
  routes: Record<string, string>;
}

export const KNOWN: Record<Service, Known> = {
  productpage: {
    health: 'Product page is healthy',
    route: '/productpage',
    routes: {
      '/': 'GET, HEAD',
      '/index.html': 'GET, HEAD',
      '/productpage': 'GET, HEAD',
      '/login': 'POST',
      '/logout': 'GET, HEAD',
      '/static/style.css': 'GET, HEAD',
      '/api/v1/products': 'GET, HEAD',
      '/api/v1/products/0': 'GET, HEAD',
      '/api/v1/products/0/reviews': 'GET, HEAD',
      '/api/v1/products/0/ratings': 'GET, HEAD',
    },
  },
  details: {
    health: '{"status":"Details is healthy"}',
    route: '/details/0',
    routes: { '/details/0': 'GET, HEAD' },
  },
  reviews: {
    health: '{"status":"Reviews is healthy"}',
    route: '/reviews/0',
    routes: { '/reviews/0': 'GET, HEAD' },
  },
  ratings: {
    health: '{"status":"Ratings is healthy"}',
    route: '/ratings/0',
    routes: { '/ratings/0': 'GET, HEAD, POST' },
  },
};
