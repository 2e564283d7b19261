/* One study: films under a map, the report's words, its observations.

   createViewer(study, settings) makes the element. `study` and `settings` are what study_data.py writes. Every control
   that stands for a map has data-map="KIND:NUMBER" (word:3, vdm:0, tdm:0, class:5, or none:0): pointing at it or focusing
   it shows the map, clicking or Enter pins it. */
'use strict';

const DEFAULT_OPACITY = 70;  // percent, as in the figures
// Lowest log-probability of a word, by class of colour.
const CONFIDENCE = [[-0.1, 'over −0.1'], [-0.5, '−0.1 to −0.5'], [-1.2, '−0.5 to −1.2'], [-2.3, '−1.2 to −2.3'],
  [-Infinity, 'under −2.3']];
const MAP_NAMES = {none: 'Film only', vdm: 'VDM', tdm: 'TDM'};
const MAP_TITLES = {
  none: 'The film without a map',
  vdm: 'Visual discriminative map: activation of the predicted observations',
  tdm: 'Textual discriminative map: attention of the selected words',
};

function fixed(value) {
  return value.toFixed(2).replace('-0.00', '0.00').replace('-', '−');
}

function confidence(logProb) {
  return CONFIDENCE.findIndex(([lowest]) => logProb >= lowest);
}

/* How viewers are used, and what the colours of the words mean; shown once on a page. */
function viewerHelp() {
  const keys = CONFIDENCE.map(([, name], number) => element('span', {class: `confidence-${number}`}, name));
  return [
    element('p', {}, 'Point at a word, or move to it with Tab and the arrow keys, to see where the model looked when it '
      + 'wrote it; click or press Enter to keep the map, Escape to remove it. Observations show their class maps.'),
    element('p', {class: 'confidence-legend'}, 'Log-probability of a word: ', ...keys,
      element('span', {class: 'selected'}, 'selected by VTAC')),
  ];
}

/* Controls of which one at a time is in the tab order; arrow keys move among them. */
function toolbar(label, style, children) {
  const made = element('div', {role: 'toolbar', 'aria-label': label, class: style}, ...children);
  Array.from(made.children, (control, place) => control.setAttribute('tabindex', place ? -1 : 0));
  return made;
}

const STEPS = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity};

function moveFocus(control, step) {
  const controls = Array.from(control.parentElement.children);
  const place = Math.max(0, Math.min(controls.length - 1, controls.indexOf(control) + step));
  controls[place].focus();
}

class Viewer {
  constructor(study, settings) {
    this.study = study;
    this.observations = settings.observations;
    settings.table ??= new Uint32Array(bytesOf(settings.colours).buffer);  // one number for the four bytes of a colour
    this.colours = settings.table;
    this.maps = Object.fromEntries(Object.entries(study.maps).map(([kind, data]) => [kind, new MapStack(data)]));
    this.pinned = 'none:0';
    this.element = element('div', {class: 'viewer'}, this.filmSide(), this.textSide());
    this.listen();
    this.pin(this.maps.vdm ? 'vdm:0' : 'none:0');
  }

  filmSide() {
    this.canvases = this.study.films.map(() => element('canvas', {'aria-hidden': 'true'}));
    const films = this.study.films.map((film, view) => element('div', {class: 'film'},
      element('img', {src: `data:image/jpeg;base64,${film}`, alt: `Film ${view + 1} of study ${this.study.id}`}),
      this.canvases[view]));
    this.status = element('p', {class: 'status', 'aria-live': 'polite'});
    this.scale = element('div', {class: 'scale'});
    this.opacity = element('input', {type: 'range', min: 0, max: 100, value: DEFAULT_OPACITY});
    const layers = Object.keys(MAP_NAMES).filter(kind => kind === 'none' || this.maps[kind]).map(kind =>
      element('button', {type: 'button', 'data-map': `${kind}:0`, title: MAP_TITLES[kind]}, MAP_NAMES[kind]));
    const look = element('div', {class: 'look'}, element('div', {class: 'films'}, ...films), this.scale, this.status);
    const fader = element('label', {class: 'opacity'}, 'Opacity ', this.opacity);
    return element('div', {class: 'film-side'}, look,
      element('div', {class: 'controls'}, toolbar('Maps', 'layers', layers), fader));
  }

  textSide() {
    const {reference, alternatives = []} = this.study;
    const parts = [element('h4', {}, 'Generated report'), this.report()];
    if (reference) parts.push(element('h4', {}, 'Reference report'), element('p', {class: 'reference'}, reference));
    if (alternatives.length) parts.push(this.alternatives(alternatives));
    if (this.study.probabilities) parts.push(element('h4', {}, 'Observations'), this.observationBars());
    return element('div', {class: 'text-side'}, ...parts);
  }

  report() {
    const words = this.study.words.map((word, number) => {
      const marks = this.study.selected.includes(number) ? ' selected' : '';
      return element('span', {role: 'button', 'data-map': `word:${number}`,
        class: `word confidence-${confidence(this.study.log_probs[number])}${marks}`}, word);
    });
    if (!words.length) return element('p', {}, '(empty report)');
    return toolbar('Words of the generated report', 'report', words.flatMap(word => [word, ' ']));
  }

  alternatives(found) {
    const lines = found.map(([text, logProb]) => element('li', {}, text, ' ',
      element('small', {}, `log-probability ${fixed(logProb)}`)));
    return element('details', {}, element('summary', {}, 'Alternatives of the search'), element('ol', {}, ...lines));
  }

  observationBars() {
    const {labels, probabilities} = this.study;
    const rows = this.observations.map((name, place) => {
      const mark = labels ? {1: '● labelled', 0: '', null: 'no label'}[labels[place]] : '';
      const bar = element('span', {class: 'bar', 'aria-hidden': 'true'});
      bar.style.setProperty('--share', probabilities[place]);
      return element('button', {type: 'button', 'data-map': `class:${place}`, class: 'observation'},
        element('span', {class: probabilities[place] >= 0.5 ? 'name present' : 'name'}, name), bar,
        element('span', {class: 'probability'}, fixed(probabilities[place])), element('span', {class: 'mark'}, mark));
    });
    return toolbar('Class activation maps of the observations', 'observations', rows);
  }

  listen() {
    const control = event => event.target.closest('[data-map]');
    const when = (name, act) => this.element.addEventListener(name, event => control(event) && act(control(event), event));
    when('pointerover', found => this.show(found.dataset.map));
    when('pointerout', () => this.show(this.pinned));
    when('focusin', found => {
      for (const other of found.parentElement.children) other.setAttribute('tabindex', other === found ? 0 : -1);
      this.show(found.dataset.map);
    });
    when('focusout', () => this.show(this.pinned));
    when('click', found => this.pin(found.dataset.map));
    when('keydown', (found, event) => this.press(found, event));
    this.opacity.addEventListener('input', () => this.fade());
    this.fade();
  }

  press(control, event) {
    if (event.key in STEPS) moveFocus(control, STEPS[event.key]);
    else if (event.key === 'Escape') this.pin('none:0');
    // Real buttons turn these keys into clicks themselves.
    else if (control.tagName === 'SPAN' && ['Enter', ' '].includes(event.key)) this.pin(control.dataset.map);
    else return;
    event.preventDefault();
  }

  /* Keeps a map on the film; the pinned one again takes it off. */
  pin(map) {
    this.pinned = map === this.pinned ? 'none:0' : map;
    for (const control of this.element.querySelectorAll('[data-map]')) {
      control.setAttribute('aria-pressed', control.dataset.map === this.pinned);
    }
    this.show(this.pinned);
  }

  show(map) {
    this.element.dataset.shown = map;
    const [kind, place] = map.split(':');
    const stack = this.maps[kind];
    this.canvases.forEach((canvas, view) => {
      canvas.hidden = !stack;
      if (stack) stack.draw(canvas, Number(place), view, this.colours);
    });
    this.status.textContent = this.describe(kind, Number(place));
    this.scale.replaceChildren(...this.scaleBar(kind, stack));
  }

  describe(kind, place) {
    if (kind === 'word') {
      const logProb = this.study.log_probs[place];
      return `“${this.study.words[place]}”: log-probability ${fixed(logProb)} (${Math.round(Math.exp(logProb) * 100)}%), `
        + `attention at most ${this.maps.word.peak(place).toFixed(1)} times uniform`;
    }
    if (kind === 'class') {
      return `${this.observations[place]}: probability ${fixed(this.study.probabilities[place])}, `
        + `activation at most ${fixed(this.maps.class.peak(place))}`;
    }
    if (kind === 'none') return MAP_TITLES.none;
    const peak = this.maps[kind].peak(0);
    return `${MAP_TITLES[kind]}; ${peak ? `at most ${fixed(peak)}` : 'empty'}`;
  }

  scaleBar(kind, stack) {
    if (!stack) return [];
    const stops = [0, 64, 128, 192, 255].map(place => {
      const [red, green, blue, opacity] = new Uint8Array(this.colours.buffer, 4 * place, 4);
      return `rgb(${red} ${green} ${blue} / ${opacity / 255})`;
    });
    const ramp = element('span', {class: 'ramp', 'aria-hidden': 'true'});
    ramp.style.backgroundImage = `linear-gradient(to right, ${stops})`;
    const unit = kind === 'word' ? ' × uniform' : '';
    return [fixed(stack.low), ramp, `${fixed(stack.high)}${unit}`];
  }

  fade() {
    for (const canvas of this.canvases) canvas.style.opacity = this.opacity.value / 100;
  }
}

function createViewer(study, settings) {
  return new Viewer(study, settings).element;
}
