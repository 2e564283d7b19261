/* The studies of a run: cards that are made when they come near, found by text, filtered and sorted. */
'use strict';

const SETTINGS = JSON.parse(document.getElementById('data').textContent);
const PRESENT = 0.5;
// Whether an observation counts, from its predicted probability and its pseudo-label.
const TESTS = {
  either: (predicted, labelled) => predicted || labelled,
  labelled: (predicted, labelled) => labelled,
  predicted: predicted => predicted,
  missed: (predicted, labelled) => labelled && !predicted,
  extra: (predicted, labelled) => predicted && !labelled,
};

const controls = Object.fromEntries(['find', 'sort', 'observation', 'test'].map(
  name => [name, document.getElementById(name)]));
const cards = SETTINGS.studies.map(makeCard);

function makeCard(study, order) {
  const sum = study.log_probs.reduce((total, value) => total + value, 0);
  const scores = {...study.scores, 'log-probability per word': sum / Math.max(1, study.log_probs.length)};
  const shown = Object.entries(scores).map(([name, value]) => `${name.replace('_', '-')} ${fixed(value)}`).join(' · ');
  const article = element('article', {class: 'card', 'aria-label': `Study ${study.id}`},
    element('h3', {}, study.id, ' ', element('small', {}, shown)));
  const text = [study.id, study.words.join(' '), study.reference].join('\n').toLowerCase();
  return {study, order, scores, article, text};
}

function matches(card) {
  const terms = controls.find.value.toLowerCase().split(/\s+/);
  if (!terms.every(term => card.text.includes(term))) return false;
  if (controls.observation.value === '') return true;
  const place = Number(controls.observation.value);
  const predicted = (card.study.probabilities?.[place] ?? 0) >= PRESENT;
  return TESTS[controls.test.value](predicted, card.study.labels?.[place] === 1);
}

function narrow() {
  let found = 0;
  for (const card of cards) {
    card.article.hidden = !matches(card);
    found += !card.article.hidden;
  }
  document.getElementById('count').textContent = `${found} of ${cards.length} studies`;
}

function sort() {
  const [name, direction] = controls.sort.value.split(':');
  const value = card => name === 'order' ? card.order : card.scores[name];
  cards.sort((one, other) => (value(one) - value(other)) * (direction === 'down' ? -1 : 1));
  document.getElementById('cards').replaceChildren(...cards.map(card => card.article));
}

function offerChoices() {
  const names = Object.keys(cards[0]?.scores ?? {});
  for (const name of names) {
    for (const [direction, words] of [['up', 'lowest first'], ['down', 'highest first']]) {
      controls.sort.append(element('option', {value: `${name}:${direction}`}, `${name.replace('_', '-')}, ${words}`));
    }
  }
  SETTINGS.observations.forEach((name, place) => controls.observation.append(element('option', {value: place}, name)));
}

/* Viewers cost time and memory: one is made when its card comes near the window. */
function fillWhenNear() {
  const byArticle = new Map(cards.map(card => [card.article, card]));
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries.filter(entry => entry.isIntersecting)) {
      watcher.unobserve(entry.target);
      entry.target.append(createViewer(byArticle.get(entry.target).study, SETTINGS));
    }
  }, {rootMargin: '800px'});
  for (const card of cards) watcher.observe(card.article);
}

document.getElementById('help').append(...viewerHelp());
offerChoices();
sort();
narrow();
fillWhenNear();
controls.sort.addEventListener('change', sort);
for (const name of ['find', 'observation', 'test']) controls[name].addEventListener('input', narrow);
