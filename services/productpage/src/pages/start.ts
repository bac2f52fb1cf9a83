import { html } from 'ghtml';
import { type Frame, layout } from './layout.ts';

export function startPage(frame: Frame): string {
  const { messages: m } = frame;
  const services = [
    ['productpage', m.startProductpage],
    ['details', m.startDetails],
    ['reviews', m.startReviews],
    ['ratings', m.startRatings],
  ] as const;
  return layout(
    frame,
    html`<section class="book">
<h1>Bookinfo</h1>
<p>${m.startIntro}</p>
</section>
<section aria-labelledby="services">
<h2 id="services">${m.startServices}</h2>
<dl>
!${services.map(
      ([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>
`,
    )}
</dl>
</section>
<section aria-labelledby="go">
<h2 id="go">${m.startGo}</h2>
<p class="actions"><a class="button" href="productpage?u=normal">${m.startNormalUser}</a> <a class="button" href="productpage?u=test">${m.startTestUser}</a> <a class="button" href="productpage?view=live">${m.liveTitle}</a></p>
<p>${m.startUsers}</p>
<form method="post" action="login"><button type="submit" class="quiet" name="username" value="jason">${m.startSignInAs}</button></form>
</section>`,
  );
}
