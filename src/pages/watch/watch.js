// Puts each new exchange below the others, as the server has drawn it. The page is whole without this script.
'use strict';

const list = document.getElementById('exchanges');
const state = document.getElementById('state');
const tools = document.querySelector('p.tools');
const client = new URLSearchParams(location.search).get('client') ?? '';
const KEPT_MAX = 200; // as many as the server keeps
let place = list.dataset.place;
let source = null;
let missed = 0;
let paused = false;

function button(words, act) {
  const made = document.createElement('button');
  made.className = 'quiet';
  made.textContent = words;
  made.addEventListener('click', act);
  return made;
}

function say(words) {
  const count = list.children.length;
  const left = missed ? ` ${missed} came too fast to be shown.` : '';
  state.textContent = `${count} ${count === 1 ? 'exchange' : 'exchanges'}.${left} ${words}`;
}

function add(message) {
  const { place: last, missed: more, html } = JSON.parse(message.data);
  const atEnd = innerHeight + scrollY >= document.body.scrollHeight - 40;
  place = last;
  missed += more;
  const made = document.createElement('template');
  made.innerHTML = html; // the server has escaped each text in it
  list.append(made.content);
  while (list.children.length > KEPT_MAX) list.firstElementChild.remove();
  say('Watching.');
  if (atEnd) scrollTo(0, document.body.scrollHeight);
}

function watch() {
  const query = new URLSearchParams({ after: place, client });
  source = new EventSource(`/watch/events?${query}`);
  source.onopen = () => say('Watching.');
  source.onmessage = add;
  source.onerror = () => {
    // A stream that is opened anew by the browser would begin where this one began.
    source.close();
    say('Nothing comes from the server: it is not there, or too many pages watch it. Trying again.');
    source = setTimeout(watch, 2000);
  };
}

function stop() {
  if (source instanceof EventSource) source.close();
  else clearTimeout(source);
  source = null;
}

const pause = button('Pause', () => {
  paused = !paused;
  if (paused) stop();
  else watch();
  pause.textContent = paused ? 'Go on' : 'Pause';
  if (paused) say('Paused: what happens meanwhile comes when you go on.');
});

const copy = button('Copy as text', () => {
  const open = [...list.querySelectorAll('details:not([open])')];
  open.forEach((details) => { details.open = true; });
  const text = list.innerText;
  open.forEach((details) => { details.open = false; });
  navigator.clipboard.writeText(text)
    .then(() => say('Copied.'), () => say('The browser does not let this page copy.'));
});

document.getElementById('refresh').remove(); // the page refreshes itself
tools.append(' ', pause, ' ', copy);
document.querySelector('form.tools button').hidden = true;
document.getElementById('client').addEventListener('change', (event) => event.target.form.submit());
addEventListener('pagehide', stop);
addEventListener('pageshow', (event) => { if (event.persisted && !paused) watch(); });
watch();
