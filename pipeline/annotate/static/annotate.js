// One annotator's page. The server enforces the protocol; the page shows what it allows.
"use strict";

const PHASES = {
  T: ["Text", "You read the transcript only. Judge the words as they are written.",
    "只看文本：请仅根据文字判断情感。"],
  A: ["Sound", "You hear the sound only. Judge the voice: tone, loudness, tempo.",
    "只听声音：请仅根据语音判断情感。"],
  V: ["Silent picture", "You see the silent picture only. Judge face and gestures.",
    "只看无声画面：请仅根据表情和动作判断情感。"],
  M: ["Everything", "You see and hear the whole clip, with its transcript. Judge the clip as a whole. " +
    "You can also correct the transcript, and say how old the speaker looks and of which gender.",
    "看完整视频（画面、声音、文本）：请综合判断情感。"],
};
const ORDER = Object.keys(PHASES);
const PANELS = ["intro", "work", "end", "waiting", "done"];
const base = location.pathname;
const at = (id) => document.getElementById(id);

let state = null; // what the server said last
let place = 0; // index of the clip that is shown
let shown = null; // ticket of the clip that is shown
let panel = null;
let busy = false;

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Annotate": "1" },
    body: JSON.stringify(body),
  };
  const response = await fetch(base + path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new Error(answer.reason || `the server answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return answer;
}

function say(words, isProblem = false) {
  at("status").textContent = words;
  at("status").classList.toggle("problem", isProblem);
}

function show(name) {
  panel = name;
  for (const each of PANELS) at(each).hidden = each !== name;
  if (name !== "work") at("stage").replaceChildren(); // nothing goes on playing
  const heading = at(name).querySelector("h2");
  if (heading) heading.focus({ preventScroll: true });
}

const answered = () => state.tasks.filter((task) => task.answer !== null).length;

function showProgress() {
  const total = state.tasks.length;
  const number = ORDER.indexOf(state.phase) + 1;
  at("phase").textContent = state.phase ? `Phase ${number} of 4: ${PHASES[state.phase][0]}` : "Annotation";
  at("bar").hidden = at("count").hidden = !total;
  at("bar").max = total || 1;
  at("bar").value = answered();
  at("count").textContent = `${answered()} of ${total} answered`;
}

function enter() { // the panel with which a phase, or a visit, begins
  showProgress();
  if (state.phase === null) return show("done");
  if (state.waiting) return show("waiting");
  const [name, english, chinese] = PHASES[state.phase];
  at("intro-title").textContent = name;
  at("intro-en").textContent = english;
  at("intro-zh").textContent = chinese;
  at("begin").textContent = answered() ? "Continue" : "Begin";
  show("intro");
}

async function refresh() {
  const before = state;
  state = await ask("state");
  const isSame = before && before.phase === state.phase && before.waiting === state.waiting
    && before.tasks.length === state.tasks.length;
  if (!isSame) return enter();
  showProgress();
  if (panel === "work") mark();
}

function firstOpen() {
  const open = state.tasks.findIndex((task) => task.answer === null);
  return open;
}

function proceed() {
  const open = firstOpen();
  return open < 0 ? show("end") : visit(open);
}

async function visit(index) {
  place = index;
  const task = state.tasks[place];
  shown = task.ticket;
  show("work");
  at("place").textContent = `Clip ${place + 1} of ${state.tasks.length}`;
  at("back").disabled = place === 0;
  at("broken").hidden = true;
  at("text").hidden = true;
  at("remark").hidden = true;
  at("stage").replaceChildren();
  mark();
  if (state.phase !== "T") play(task.ticket);
  if (state.phase === "T" || state.phase === "M") await read(task.ticket);
}

async function read(ticket) {
  const clip = await attempt(() => ask(`clip/${ticket}`));
  if (!clip || shown !== ticket) return;
  at("text").textContent = clip.text;
  at("text").hidden = false;
  if (state.phase !== "M") return;
  const remark = clip.remark || {};
  at("corrected").value = remark.text ?? clip.text;
  at("gender").value = remark.gender ?? "";
  at("age").value = remark.age ?? "";
  at("remark").hidden = false;
}

function play(ticket) {
  const player = document.createElement(state.phase === "A" ? "audio" : "video");
  player.controls = true;
  player.autoplay = true;
  player.playsInline = true;
  player.muted = state.phase === "V";
  player.disablePictureInPicture = true;
  player.setAttribute("controlslist", "nodownload noremoteplayback");
  player.setAttribute("aria-label", `Clip ${place + 1}`);
  player.addEventListener("error", () => { at("broken").hidden = shown !== ticket; });
  player.src = `${base}media/${ticket}`;
  at("stage").replaceChildren(player);
}

function mark() {
  const answer = state.tasks[place].answer;
  for (const button of document.querySelectorAll("[data-answer]")) {
    button.setAttribute("aria-pressed", String(button.dataset.answer === String(answer)));
  }
}

// Do something that the server may refuse; a page that is out of date reloads its state.
async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if ([403, 409].includes(error.status)) await refresh().catch(() => {});
    say(error.status ? `Not accepted: ${error.message}.` : "Not saved: the server cannot be reached. Try again.", true);
    return null;
  }
}

async function vote(answer) {
  if (busy || panel !== "work") return;
  const task = state.tasks[place];
  busy = true;
  const done = await attempt(() => ask("vote", { ticket: task.ticket, answer }));
  busy = false;
  if (!done) return;
  task.answer = answer;
  say("Saved.");
  showProgress();
  if (shown === task.ticket) mark();
  if (state.phase === "M") return; // time for remarks; Next goes on
  setTimeout(() => { if (shown === task.ticket && panel === "work") forward(); }, 150);
}

function forward() {
  if (place + 1 < state.tasks.length) return visit(place + 1);
  return proceed();
}

const backward = () => place > 0 && visit(place - 1);

async function remark() {
  const ticket = shown;
  const age = at("age").value.trim();
  const values = {
    ticket,
    text: at("corrected").value,
    gender: at("gender").value || null,
    age: age === "" ? null : Number(age),
  };
  if (await attempt(() => ask("remark", values))) say("Saved.");
}

function replay() {
  const player = at("stage").firstElementChild;
  if (!player) return;
  player.currentTime = 0;
  player.play().catch(() => {});
}

const KEYS = {
  1: () => vote(-1), 2: () => vote(0), 3: () => vote(1),
  ArrowLeft: () => vote(-1), ArrowDown: () => vote(0), ArrowRight: () => vote(1),
  0: () => vote("cannot"), " ": replay, b: backward, n: forward,
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea, select");
  if (panel !== "work" || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const isPlayer = event.target.matches("audio, video"); // arrows seek there, and Space pauses
  if (event.key === " " && (isPlayer || event.target.matches("button"))) return;
  if (isPlayer && event.key.startsWith("Arrow")) return;
  const action = KEYS[event.key] || KEYS[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
});

for (const button of document.querySelectorAll("[data-answer]")) {
  const answer = button.dataset.answer === "cannot" ? "cannot" : Number(button.dataset.answer);
  button.addEventListener("click", () => vote(answer));
}
at("begin").addEventListener("click", () => {
  say(""); // what the page said before is over
  proceed();
});
at("back").addEventListener("click", backward);
at("next").addEventListener("click", forward);
at("review").addEventListener("click", () => visit(0));
at("close").addEventListener("click", async () => {
  const next = await attempt(() => ask("close", { phase: state.phase }));
  if (!next) return;
  state = next;
  say("");
  enter();
});
at("remark").addEventListener("change", remark);
at("remark").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("visibilitychange", () => { if (!document.hidden) attempt(refresh); });
setInterval(() => { if (panel === "waiting") attempt(refresh); }, 5000);
attempt(refresh);
