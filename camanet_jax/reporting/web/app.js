/* The demo's page: films chosen or dropped, sent to the program, and its answer shown in the viewer. */
'use strict';

const SETTINGS = JSON.parse(document.getElementById('data').textContent);
const page = Object.fromEntries(Array.from(document.querySelectorAll('[id]'), found => [found.id, found]));
let chosen = [];

/* Adds films to the chosen ones, up to as many as the model reads; later ones take the place of earlier ones. */
function choose(files) {
  tell('');
  const large = files.filter(file => file.size > SETTINGS.megabytes * 2 ** 20);
  if (large.length) {
    tell(`${large[0].name} is larger than ${SETTINGS.megabytes} MB.`);
    return;
  }
  if (files.length > SETTINGS.views) {
    tell(`This model reads ${SETTINGS.views} film(s) of a study; ${files.length} were given.`);
    return;
  }
  chosen = [...chosen, ...files].slice(-SETTINGS.views);
  showChosen();
}

function showChosen() {
  page.chosen.replaceChildren(...chosen.map((file, place) => {
    const remove = element('button', {type: 'button', 'aria-label': `Remove ${file.name}`}, 'Remove');
    remove.addEventListener('click', () => {
      chosen.splice(place, 1);
      showChosen();
    });
    return element('li', {}, `${file.name} `, remove);
  }));
  page.write.disabled = !chosen.length;
  const alone = chosen.length && chosen.length < SETTINGS.views;
  page.write.textContent = alone ? 'Write the report from this film alone' : 'Write the report';
}

function tell(message) {
  page.message.textContent = message;
}

function asBase64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/* Asks the program; the answer is a study, or an error that says what is wrong in words. */
async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
  } catch {
    throw new Error('The program does not answer. Is it still running?');
  }
  const found = await answer.json();
  if (found.error) throw new Error(found.error);
  return found;
}

/* Shows what `work` brings; one piece of work at a time. */
async function show(work) {
  if (page.progress.textContent) return;
  tell('');
  page.result.hidden = true;
  page.progress.textContent = 'Writing the report …';
  try {
    const study = await work();
    page['result-heading'].textContent = study.id;
    page.viewer.replaceChildren(createViewer(study, SETTINGS));
    page.result.hidden = false;
    page['result-heading'].focus();
  } catch (error) {
    tell(error.message);
  } finally {
    page.progress.textContent = '';
  }
}

async function report() {
  const files = await Promise.all(chosen.map(async file => ({name: file.name, data: await asBase64(file)})));
  return ask('/report', {files});
}

page.form.addEventListener('submit', event => {
  event.preventDefault();
  show(report);
});
page.files.addEventListener('change', () => {
  choose([...page.files.files]);
  page.files.value = '';
});
for (const name of ['dragover', 'drop']) document.addEventListener(name, event => event.preventDefault());
document.addEventListener('drop', event => choose([...event.dataTransfer.files]));
document.addEventListener('dragover', () => page.form.classList.add('over'));
for (const name of ['drop', 'dragleave']) document.addEventListener(name, () => page.form.classList.remove('over'));

SETTINGS.examples.forEach((example, number) => {
  const button = element('button', {type: 'button'},
    element('img', {src: `data:image/jpeg;base64,${example.film}`, alt: ''}), example.name);
  button.addEventListener('click', () => show(() => ask('/example', {number})));
  page.examples.append(button);
});
page.help.append(...viewerHelp());
