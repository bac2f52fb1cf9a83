import { type Answer, describeReason } from '@bookinfo/chassis';
import type { BookDetails, Product, Review, ReviewRating, ReviewsOfProduct } from '@bookinfo/contract';
import { html } from 'ghtml';
import type { Messages } from '../messages/en.ts';
import { type Behind, behindThisPage } from './behind.ts';
import { type Frame, layout } from './layout.ts';

export interface ProductPage extends Frame, Behind {
  product: Product;
}

export function productPage(page: ProductPage): string {
  const { messages, product, details, reviews } = page;
  return layout(
    page,
    html`<section class="book">
<h1>${product.title}</h1>
<p>!${product.descriptionHtml}</p>
</section>
<div class="columns">
!${detailsSection(details, messages)}
!${reviewsSection(reviews, messages)}
</div>
!${behindThisPage(page)}`,
  );
}

function detailsSection(answer: Answer<BookDetails>, m: Messages): string {
  if (!answer.ok) return errorSection(m.detailsError, m.detailsSorry, describeReason(answer.reason));
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
    ([term, value]) => html`<div><dt>${term}</dt><dd>${String(value)}</dd></div>
`,
  )}
</dl>
</section>`;
}

function reviewsSection(answer: Answer<ReviewsOfProduct>, m: Messages): string {
  if (!answer.ok) return errorSection(m.reviewsError, m.reviewsSorry, describeReason(answer.reason));
  const { reviews, podname, clustername } = answer.body;
  return html`<section aria-labelledby="reviews">
<h2 id="reviews">${m.bookReviews}</h2>
!${reviews.map((review) => reviewArticle(review, m))}
<p class="served-by">${m.servedBy} <strong>${podname}</strong>!${onCluster(clustername, m)}</p>
</section>`;
}

function onCluster(clustername: string, m: Messages): string {
  return clustername === 'null' ? '' : html` ${m.onCluster} <strong>${clustername}</strong>`;
}

function reviewArticle({ reviewer, text, rating }: Review, m: Messages): string {
  return html`<article>
<blockquote>${text}</blockquote>
<footer><cite>${reviewer}</cite>!${rating ? ratingOf(rating, m) : ''}</footer>
</article>
`;
}

/** One line per filled star with the class `glyphicon glyphicon-star`: `grep -c` counts them. Empty ones do not match. */
function ratingOf(rating: ReviewRating, m: Messages): string {
  if ('error' in rating) return html`<p class="error">${m.ratingsError}</p>`;
  const filled = Math.min(5, Math.max(0, rating.stars));
  const empty = 5 - filled;
  return html`
<span class="stars" data-color="${rating.color}" role="img" aria-label="${m.stars(filled)}">
!${'<span class="glyphicon glyphicon-star">★</span>\n'.repeat(filled)}!${'<span class="empty">☆</span>\n'.repeat(empty)}</span>`;
}

function errorSection(heading: string, sorry: string, reason: string): string {
  return html`<section class="failed">
<h2>${heading}</h2>
<p>${sorry}</p>
<p class="reason">${reason}</p>
</section>`;
}
