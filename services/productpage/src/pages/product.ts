import type { Answer } from '@bookinfo/chassis';
import type { BookDetails, Call, Product, Review, ReviewRating, ReviewsOfProduct } from '@bookinfo/contract';
import { html } from 'ghtml';
import { duration, fill } from '../language.ts';
import type { Messages } from '../messages/en.ts';
import type { GatheredPage } from '../report.ts';
import { type Behind, behindThisPage } from './behind.ts';
import { callPath } from './call-path.ts';
import { chip, lastTry, resultsOf } from './calls.ts';
import { type Frame, layout } from './layout.ts';

export interface ProductPage extends Frame, Behind, GatheredPage {
  product: Product;
}

export function productPage(page: ProductPage): string {
  const { messages: m, product, details, reviews, report } = page;
  const call = (service: string) => report.calls.find((c) => c.service === service) as Call;
  return layout(
    page,
    html`<section class="now" aria-labelledby="now">
<h2 id="now">${m.justNow}</h2> <span class="took">${duration(report.durationMs)}</span>
!${callPath(report, page.user, m)}
</section>
<section class="book" lang="en">
<h1>${product.title}</h1>
<p>!${product.descriptionHtml}</p>
</section>
<div class="columns">
!${reviewsSection(reviews, call('reviews'), m)}
!${detailsSection(details, call('details'), m)}
</div>
!${behindThisPage(page)}`,
  );
}

function detailsSection(answer: Answer<BookDetails>, call: Call, m: Messages): string {
  if (!answer.ok) return errorSection(m.detailsError, m.detailsSorry, call, m);
  const book = answer.body;
  const rows: [string, string | number][] = [
    [m.author, book.author],
    [m.year, book.year],
    [m.type, book.type],
    [m.pages, book.pages],
    [m.publisher, book.publisher],
    [m.languageOfBook, book.language],
    [`${m.isbn}-10`, book['ISBN-10']],
    [`${m.isbn}-13`, book['ISBN-13']],
  ];
  return html`<section aria-labelledby="details">
<h2 id="details">${m.bookDetails}</h2>
<dl>
!${rows.map(
    ([term, value]) => html`<div><dt>${term}</dt><dd lang="en">${String(value)}</dd></div>
`,
  )}
</dl>
</section>`;
}

function reviewsSection(answer: Answer<ReviewsOfProduct>, call: Call, m: Messages): string {
  if (!answer.ok) return errorSection(m.reviewsError, m.reviewsSorry, call, m);
  const { reviews, podname, clustername } = answer.body;
  return html`<section aria-labelledby="reviews">
<h2 id="reviews">${m.bookReviews}</h2> !${chip('reviews', lastTry(call))}
!${reviews.map((review) => reviewArticle(review, m))}
<p class="served-by">${m.servedBy} <strong>${podname}</strong>!${onCluster(clustername, m)}</p>
</section>`;
}

function onCluster(clustername: string, m: Messages): string {
  return clustername === 'null' ? '' : html` ${m.onCluster} <strong>${clustername}</strong>`;
}

function reviewArticle({ reviewer, text, rating }: Review, m: Messages): string {
  return html`<article>
<blockquote lang="en">${text}</blockquote>
<footer><cite lang="en">${reviewer}</cite>!${rating ? ratingOf(rating, m) : ''}</footer>
</article>
`;
}

/** One line per filled star with the class `glyphicon glyphicon-star`: `grep -c` counts them. Empty ones do not match. */
function ratingOf(rating: ReviewRating, m: Messages): string {
  if ('error' in rating) return html`<p class="error">${m.ratingsError}</p>`;
  const filled = Math.min(5, Math.max(0, rating.stars));
  const empty = 5 - filled;
  return html`
<span class="stars" data-color="${rating.color}" role="img" aria-label="${fill(m.stars, { n: filled })}">
!${'<span class="glyphicon glyphicon-star">★</span>\n'.repeat(filled)}!${'<span class="empty">☆</span>\n'.repeat(empty)}</span>`;
}

function errorSection(heading: string, sorry: string, call: Call, m: Messages): string {
  return html`<section class="failed">
<h2>${heading}</h2>
<p>${sorry}</p>
<div class="reason">!${resultsOf(call, m)}. <a href="#behind">${m.seeBelow}</a></div>
</section>`;
}
