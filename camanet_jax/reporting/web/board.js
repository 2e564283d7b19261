// The studies of a leader board: a list, and the texts of the study that is pointed at or chosen.
'use strict';

const {ids, references, systems} = JSON.parse(document.getElementById('data').textContent);
const [list, texts, score, system] = ['studies', 'texts', 'score', 'system'].map(id => document.getElementById(id));

function option(text, value) {
  const made = document.createElement('option');
  made.textContent = text;
  made.value = value;
  return made;
}

function card(heading, text, note) {
  const made = document.createElement('article');
  for (const [tag, content] of [['h3', heading], ['p', text || '(nothing)'], ['small', note]]) {
    made.append(Object.assign(document.createElement(tag), {textContent: content}));
  }
  return made;
}

function show(place) {
  const scores = ({scores}) => Object.entries(scores).map(([name, values]) => `${name} ${values[place].toFixed(3)}`);
  texts.replaceChildren(
    card('Reference', references[place], ids[place]),
    ...systems.map(each => card(each.name, each.reports[place], scores(each).join(', '))),
  );
}

function fill() {
  const values = score.value && systems[system.value].scores[score.value];
  const order = ids.map((_, place) => place);
  if (values) order.sort((a, b) => values[a] - values[b] || a - b);
  list.replaceChildren(...order.map(place => option(values ? `${ids[place]}: ${values[place].toFixed(3)}` : ids[place], place)));
  list.selectedIndex = 0;
  show(order[0]);
}

score.append(option('id', ''), ...Object.keys(systems[0].scores).map(name => option(`${name}, worst first`, name)));
system.append(...systems.map(({name}, place) => option(name, place)));
list.addEventListener('change', () => show(list.value));
list.addEventListener('pointerover', ({target}) => target.value && show(target.value));
for (const control of [score, system]) control.addEventListener('change', fill);
fill();
