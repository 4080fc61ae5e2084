"use strict";
// Players: each cuts its frames out of one sheet. Frame i of panel p lies in column i % columns
// of row n floor(i / columns) + p, n being the number of panels.
for (const player of document.querySelectorAll(".player")) {
  const sheet = player.querySelector("img.sheet");
  const canvases = [...player.querySelectorAll("canvas")];
  const [button, slider, output] = ["button", "input", "output"].map((n) => player.querySelector(n));
  const columns = Number(player.dataset.columns), size = Number(player.dataset.size);
  const times = player.dataset.times.split(",").map(Number);
  const delay = 1000 / Math.min(25, Math.max(2, Number(player.dataset.fps)));
  let timer = 0;
  const show = (i) => {
    slider.value = i;
    canvases.forEach((canvas, p) => {
      const x = (i % columns) * size, y = (canvases.length * Math.floor(i / columns) + p) * size;
      canvas.getContext("2d").drawImage(sheet, x, y, size, size, 0, 0, size, size);
    });
    player.classList.toggle("given", times[i] <= 0);
    output.textContent = times[i] <= 0 ? `given (${times[i]})` : `frame ${times[i]} of ${times[times.length - 1]}`;
  };
  const pause = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const play = () => {
    button.textContent = "Pause";
    timer = setInterval(() => show((Number(slider.value) + 1) % times.length), delay);
  };
  button.addEventListener("click", () => (timer ? pause() : play()));
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  const ready = () => { show(times.findIndex((t) => t > 0)); player.dataset.ready = "yes"; };
  if (sheet.complete && sheet.naturalWidth) ready(); else sheet.addEventListener("load", ready);
}
// Charts: the numbers under the pointer.
for (const panel of document.querySelectorAll(".panel[data-curves]")) {
  const svg = panel.querySelector("svg"), cursor = svg.querySelector(".cursor");
  const curves = JSON.parse(panel.dataset.curves);
  const tip = panel.appendChild(Object.assign(document.createElement("div"), { className: "tip" }));
  const [left, right, count] = ["left", "right", "count"].map((n) => Number(svg.dataset[n]));
  const log = svg.dataset.scale === "log";
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / scale;
    const share = Math.min(1, Math.max(0, (x - left) / (right - left)));
    const k = log ? Math.round(count ** share) - 1 : Math.round(share * (count - 1));
    const at = log ? Math.log(k + 1) / Math.log(count) : count > 1 ? k / (count - 1) : 0.5;
    const place = left + (right - left) * at;
    cursor.setAttribute("transform", `translate(${place} 0)`);
    cursor.style.visibility = tip.style.visibility = "visible";
    tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: `frame ${k + 1}` }));
    for (const [css, name, values] of curves) {
      const row = Object.assign(document.createElement("div"), { className: css });
      row.append(Object.assign(document.createElement("span"), { textContent: `${name} ${values[k]}` }));
      tip.append(row);
    }
    const across = svg.offsetLeft + place * scale;
    tip.style.left = `${across + (place > (left + right) / 2 ? -tip.offsetWidth - 14 : 14)}px`;
    tip.style.top = `${panel.querySelector("h3").offsetHeight + 24}px`;
  });
  svg.addEventListener("pointerleave", () => { cursor.style.visibility = tip.style.visibility = "hidden"; });
}
