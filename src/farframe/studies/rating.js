"use strict";
// Pairs of films, judged blind. Which of a pair is whose is not in this file: answers say "first" or
// "second" as the pair is stored, and the key of whoever asks tells what that means.
const told = JSON.parse(document.getElementById("told").textContent);
const find = (id) => document.getElementById(id);
const store = { // a reload loses nothing, where the browser lets a page on disk remember
  key: `farframe-rating-${told.page}`,
  read() { try { return JSON.parse(localStorage.getItem(this.key)); } catch { return null; } },
  write(value) { try { localStorage.setItem(this.key, JSON.stringify(value)); } catch { /* not allowed */ } },
};
// Random numbers in [0, 1) that page and rater fix: xmur3 and mulberry32.
const dice = (text) => {
  let h = 1779033703 ^ text.length;
  for (const c of text) { h = Math.imul(h ^ c.codePointAt(0), 3432918353); h = (h << 13) | (h >>> 19); }
  return () => {
    h = (h + 0x6d2b79f5) | 0;
    let t = Math.imul(h ^ (h >>> 15), 1 | h);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};
const shuffled = (items, random) => {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
};
let rater = "", plan = [], answers = {}, at = 0, frame = 0, ended = false, running = true, shownAt = 0, timer = 0;
const canvases = { left: find("left"), right: find("right") };
for (const canvas of Object.values(canvases)) canvas.width = canvas.height = told.size;

function begin(name) {
  rater = name.trim();
  const random = dice(`${told.page} ${rater}`);
  const half = told.pairs.map((_, i) => (i % 2 ? "first" : "second")); // as often left as right
  const lefts = shuffled(half, random);
  plan = shuffled(told.pairs, random).map((pair, i) => ({ pair, left: lefts[i] }));
  const kept = store.read();
  answers = kept && kept.rater === rater ? kept.answers : {};
  at = plan.findIndex(({ pair }) => !(pair in answers));
  find("start").hidden = true;
  timer = setInterval(tick, 1000 / Math.min(30, Math.max(2, told.fps)));
  if (at < 0) finish(); else show();
}
function draw() {
  const { pair, left } = plan[at], sheet = find(`s${pair}`), size = told.size;
  const x = (frame % told.columns) * size, row = 2 * Math.floor(frame / told.columns);
  for (const [side, canvas] of Object.entries(canvases)) {
    const second = (left === "second") === (side === "left");
    canvas.getContext("2d").drawImage(sheet, x, (row + (second ? 1 : 0)) * size, size, size, 0, 0, size, size);
  }
  find("time").style.width = `${(100 * (frame + 1)) / told.count}%`;
}
function show() {
  const before = answers[plan[at].pair];
  const trial = at;
  frame = 0; ended = false; running = true; shownAt = Date.now();
  find("trial").hidden = false; find("end").hidden = true;
  find("place").textContent = `${at + 1} of ${plan.length}`;
  find("bar").style.width = `${(100 * at) / plan.length}%`;
  find("back").disabled = at === 0;
  for (const button of document.querySelectorAll(".answers button")) {
    button.classList.toggle("chosen", before !== undefined && button.dataset.side === sideOf(before.choice));
  }
  unlock();
  const sheet = find(`s${plan[at].pair}`);
  sheet.decode().catch(() => {}).then(() => {
    if (at !== trial) return; // gone on meanwhile
    draw();
    if (before !== undefined) { ended = true; unlock(); } // seen before: no need to wait, once it shows
  });
}
function unlock() {
  for (const button of document.querySelectorAll(".answers button")) button.disabled = !ended;
  find("hint").textContent = ended ? "" : "Answers open when both videos have ended.";
}
function tick() {
  if (find("trial").hidden || !running) return;
  frame += 1;
  if (frame >= told.count) {
    if (!ended) { ended = true; unlock(); }
    if (frame < told.count + told.fps / 2) return; // the last frame stays for half a second
    frame = 0;
  }
  draw();
}
const sideOf = (choice) => (choice === "same" ? "same" : choice === plan[at].left ? "left" : "right");
function answer(side) {
  if (!ended) return;
  const { pair, left } = plan[at], other = left === "first" ? "second" : "first";
  const choice = side === "same" ? "same" : side === "left" ? left : other;
  answers[pair] = { pair, choice, left, seconds: Math.round((Date.now() - shownAt) / 100) / 10 };
  store.write({ rater, answers });
  at += 1;
  if (at < plan.length) show(); else finish();
}
function back() {
  if (at > 0) { at -= 1; show(); }
}
function finish() {
  clearInterval(timer);
  at = plan.length;
  find("trial").hidden = true; find("end").hidden = false;
  const content = { format: told.format, page: told.page, rater, answers: plan.map(({ pair }) => answers[pair]) };
  const text = JSON.stringify(content, null, 1);
  find("text").value = text;
  const save = find("save"), safe = rater.replace(/[^\p{L}\p{N}-]+/gu, "-");
  save.download = `answers-${safe}-${told.page.slice(0, 8)}.json`;
  save.href = URL.createObjectURL(new Blob([text + "\n"], { type: "application/json" }));
}
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (find("rater").value.trim()) begin(find("rater").value);
});
for (const button of document.querySelectorAll(".answers button")) {
  button.addEventListener("click", () => { button.blur(); answer(button.dataset.side); });
}
find("back").addEventListener("click", back);
document.addEventListener("keydown", (event) => {
  if (find("trial").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const sides = { ArrowLeft: "left", ArrowDown: "same", ArrowRight: "right" };
  if (event.key in sides) answer(sides[event.key]);
  else if (event.key === " ") running = !running;
  else if (event.key === "r" || event.key === "R") { frame = 0; running = true; draw(); }
  else if (event.key === "Backspace") back();
  else return;
  event.preventDefault();
});
