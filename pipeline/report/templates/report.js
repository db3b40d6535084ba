"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const SVG = "http://www.w3.org/2000/svg";

  /** Make an element; strings become text, never markup. */
  function make(tag, options = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === "class") element.className = value;
      else if (name === "text") element.textContent = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function read(id) {
    const holder = $(id);
    return holder ? JSON.parse(holder.textContent) : null;
  }

  // ---- colours -------------------------------------------------------------------------
  function useTheme(theme) {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    for (const button of document.querySelectorAll(".theme button"))
      button.setAttribute("aria-pressed", String(button.dataset.theme === theme));
  }
  let stored = "auto";
  try { stored = localStorage.getItem("chsims-report-theme") || "auto"; } catch { /* no storage for files here */ }
  useTheme(stored);
  const themes = document.querySelector(".theme");
  themes.hidden = false;
  themes.addEventListener("click", (event) => {
    const theme = event.target.dataset.theme;
    if (!theme) return;
    useTheme(theme);
    try { localStorage.setItem("chsims-report-theme", theme); } catch { /* the choice lasts for this visit */ }
  });

  // ---- navigation ----------------------------------------------------------------------
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  function here() {
    let current = "summary";
    for (const section of document.querySelectorAll("main > section"))
      if (section.getBoundingClientRect().top < innerHeight * 0.35) current = section.id;
    if (scrollY > 0 && innerHeight + scrollY >= document.body.scrollHeight - 4) current = "made";
    for (const [id, link] of links)
      if (id === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
  }
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; here(); });
  }, { passive: true });
  here();

  // ---- copying -------------------------------------------------------------------------
  for (const place of document.querySelectorAll(".copy")) {
    place.hidden = false;
    place.addEventListener("click", async (event) => {
      const from = event.target.dataset.copy;
      if (!from) return;
      const status = place.querySelector("[role=status]");
      try {
        await navigator.clipboard.writeText($(from).textContent);
        status.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren($(from));
        status.textContent = "Selected: copy it with your keyboard.";
      }
    });
  }

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

  // ---- the clips' table ----------------------------------------------------------------
  const data = read("table-data");
  const table = $("clip-table");
  if (!table || !data.rows.length) return;

  const percent = (v) => String(Math.round(v * 100));
  const label = (v) => (v < 0 ? "−" : "") + Math.abs(v).toFixed(1);
  const COLUMNS = [
    { key: "clip", name: "Clip", text: true },
    { key: "weight", name: "What to look at", down: true, text: true },
    { key: "part", name: "Part", text: true },
    { key: "M", name: "M", write: label, hint: "label M, with the colour of its class" },
    { key: "T", name: "T", write: label, hint: "label T" },
    { key: "A", name: "A", write: label, hint: "label A" },
    { key: "V", name: "V", write: label, hint: "label V" },
    { key: "seconds", name: "Length", unit: "s", write: (v) => v.toFixed(2) },
    { key: "face", name: "Face", unit: "%", write: percent, kind: "face", hint: "share of frames in which the speaker's face was found" },
    { key: "faces", name: "Faces", unit: "/frame", write: (v) => v.toFixed(2), kind: "second", down: true, hint: "faces found a frame" },
    { key: "success", name: "OpenFace", unit: "%", write: percent, kind: "openface", hint: "share of frames in which OpenFace succeeded" },
    { key: "confidence", name: "Conf.", write: (v) => v.toFixed(2), kind: "confidence", hint: "OpenFace's mean confidence where it succeeded" },
    { key: "voiced", name: "Voiced", unit: "%", write: percent, kind: "voice", hint: "share of the sound that is voiced" },
    { key: "loudness", name: "Level", unit: "dB", write: label, kind: "quiet", hint: "RMS of the sound, dB of full scale" },
    { key: "tokens", name: "Tokens", write: String, kind: "unknown", hint: "with [CLS] and [SEP]" },
    { key: "cut", name: "Cut", text: true, write: (v) => v.map((name) => name[0].toUpperCase()).join(" "), hint: "modalities cut to the common length: Text, Audio, Vision" },
  ];
  const rows = data.rows.map((row, index) => ({
    ...row, index, haystack: `${row.clip}\n${row.text}`.toLowerCase(), kinds: new Set(row.found.map((f) => f[0])),
  }));
  const state = { sort: "weight", down: true, page: 0, shown: rows, open: new Set() };
  const head = table.tHead.rows[0];
  const body = table.tBodies[0];

  for (const column of COLUMNS) {
    const arrow = make("span", { class: "arrow", "aria-hidden": "true" });
    const button = make("button", { type: "button" }, column.name);
    button.append(arrow);
    if (column.unit) button.append(make("small", { text: column.unit }));
    if (column.hint) button.title = column.hint;
    button.addEventListener("click", () => sortBy(column));
    column.cell = make("th", { scope: "col", class: column.text ? "" : "n" }, button);
    column.arrow = arrow;
    head.append(column.cell);
  }

  function sortBy(column) {
    state.down = state.sort === column.key ? !state.down : Boolean(column.down);
    state.sort = column.key;
    state.page = 0;
    order();
    draw();
  }

  const rank = (value) => (Array.isArray(value) ? value.length || undefined : value);

  function order() {
    const { sort, down } = state;
    const sign = down ? -1 : 1;
    state.shown.sort((a, b) => {
      const x = rank(a[sort]), y = rank(b[sort]);
      if (x === y) return a.index - b.index;
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      return x < y ? -sign : sign;
    });
  }

  function filter() {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const part = $("part").value, name = $("class").value, kind = $("kind").value;
    state.shown = rows.filter((row) =>
      (!part || row.part === part) &&
      (!name || row.class === name) &&
      (!kind || (kind === "*" ? row.found.length : row.kinds.has(kind))) &&
      words.every((word) => row.haystack.includes(word)));
    state.page = 0;
    order();
    draw();
  }

  function cellOf(column, row) {
    const value = row[column.key];
    if (column.key === "weight") {
      const cell = make("td", { class: "found" });
      if (!row.found.length) return cell;
      const more = row.found.length > 1 ? make("span", { class: "more", text: ` +${row.found.length - 1}` }) : "";
      cell.append(make("div", {}, make("bdi", { text: shorten(row.found[0][1], 90) }), more));
      return cell;
    }
    const low = column.kind && row.kinds.has(column.kind) ? " low" : "";
    const cell = make("td", { class: (column.text ? "" : "n") + low });
    if (column.key === "M" && row.class)
      cell.append(make("span", { class: `dot ${row.class.toLowerCase()}`, title: row.class }));
    const absent = value === undefined || (Array.isArray(value) && !value.length);
    cell.append(absent ? make("span", { class: "none", text: column.key === "cut" ? "" : "–" }) : column.write ? column.write(value) : value);
    return cell;
  }

  const shorten = (text, limit) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);

  function lineOf(row) {
    const opened = state.open.has(row.clip);
    const line = make("tr", { class: opened ? "clip open" : "clip" });
    const opener = make("button", { type: "button", class: "opener", "aria-expanded": String(opened) }, make("bdi", { text: row.clip }));
    line.append(make("th", { scope: "row" }, opener));
    for (const column of COLUMNS.slice(1)) line.append(cellOf(column, row));
    line.addEventListener("click", (event) => {
      if (!String(getSelection()) || event.target.closest("button")) toggle(row, line, opener);
    });
    return line;
  }

  function toggle(row, line, opener) {
    if (state.open.delete(row.clip)) {
      line.nextElementSibling.remove();
    } else {
      state.open.add(row.clip);
      line.after(detailOf(row));
      try { history.replaceState(null, "", addressOf(row)); } catch { /* not for every viewer */ }
    }
    const opened = state.open.has(row.clip);
    line.classList.toggle("open", opened);
    opener.setAttribute("aria-expanded", String(opened));
  }

  function draw() {
    const size = Number($("size").value);
    const pages = Math.max(1, Math.ceil(state.shown.length / size));
    const start = state.page * size;
    const lines = [];
    for (const row of state.shown.slice(start, start + size)) {
      lines.push(lineOf(row));
      if (state.open.has(row.clip)) lines.push(detailOf(row));
    }
    if (!lines.length)
      lines.push(make("tr", {}, make("td", { colspan: COLUMNS.length, text: "No clip fits these filters." })));
    body.replaceChildren(...lines);
    for (const column of COLUMNS) {
      const sorted = column.key === state.sort;
      if (sorted) column.cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else column.cell.removeAttribute("aria-sort");
      column.arrow.textContent = sorted ? (state.down ? "↓" : "↑") : "";
    }
    const count = state.shown.length.toLocaleString("en");
    $("shown").textContent = state.shown.length === rows.length ? `${count} clips` : `${count} of ${rows.length.toLocaleString("en")} clips`;
    $("page").textContent = `Page ${state.page + 1} of ${pages}`;
    $("previous").disabled = state.page === 0;
    $("next").disabled = state.page >= pages - 1;
    $("pager").hidden = rows.length <= 25;
  }

  // ---- what opens below a row ----------------------------------------------------------
  const blocks = new Map();
  const BLOCK = data.block;

  function packedOf(row) {
    const number = Math.floor(row.index / BLOCK);
    if (!blocks.has(number)) blocks.set(number, read(`detail-${number}`) || []);
    return blocks.get(number)[row.index % BLOCK] || null;
  }

  const level = new Map([...data.alphabet].map((character, index) => [character, index / (data.alphabet.length - 1)]));
  const unpack = (packed) => [...packed].map((character) => level.get(character));

  function detailOf(row) {
    const sheet = make("div", { class: "sheet" });
    sheet.append(make("blockquote", {}, make("bdi", { text: row.text })));
    if (row.found.length)
      sheet.append(make("ul", {}, ...row.found.map((item) => make("li", {}, make("bdi", { text: item[1] })))));
    const packed = packedOf(row);
    if (!packed) {
      sheet.append(make("p", { class: "gap", text: "The page carries no pictures of this clip, to stay small." }));
    } else {
      sheet.append(make("p", { class: "soft" }, make("bdi", { text: packed.media })));
      const tracks = make("div", { class: "tracks" });
      addFilm(tracks, packed, row);
      addTracks(tracks, packed);
      sheet.append(tracks);
      if (packed.absent)
        for (const stage of packed.absent)
          sheet.append(make("p", { class: "gap" }, `No ${stage} file for this clip. Make it with `, make("code", { text: `chsims-build --stage ${stage} --clip ${row.clip}` })));
    }
    return make("tr", { class: "detail" }, make("td", { class: "detail", colspan: COLUMNS.length }, sheet));
  }

  function addRow(tracks, name, picture, key) {
    tracks.append(make("div", { class: "label", text: name }), picture, key || make("div"));
  }

  function addFilm(tracks, packed, row) {
    if (!packed.film) return;
    const count = data.thumbnails, film = make("div", { class: "film" });
    const shown = Math.min(count, packed.frames);
    for (let place = 0; place < shown; place++) {
      const time = `${((place + 0.5) / shown * row.seconds).toFixed(1)} s`;
      const frame = make("figure");
      if (packed.blank.includes(place)) {
        frame.classList.add("blank");
        frame.append("no face");
      } else {
        const image = make("img", { src: `data:image/webp;base64,${packed.film}`, alt: `face at ${time}` });
        image.style.left = `${-100 * place}%`;
        frame.append(image);
      }
      frame.append(make("figcaption", { text: time }));
      film.append(frame);
    }
    addRow(tracks, "Face", film);
  }

  function addTracks(tracks, packed) {
    if (packed.box) {
      addLines(tracks, "Box", [["across", "v", packed.box[0]], ["down", "a", packed.box[1]], ["height", "t", packed.box[2]]], "share of the frame");
      addLines(tracks, "Faces found", [["faces", "m", packed.many]], "0 to 3");
    }
    if (packed.pose) {
      addLines(tracks, "OpenFace", [["confidence", "accent", packed.trust]], "0 where it failed");
      addLines(tracks, "Head turn", [["pitch", "t", packed.pose[0]], ["yaw", "v", packed.pose[1]], ["roll", "a", packed.pose[2]]], "±0.5 rad", true);
      const hues = ["v", "t", "a", "m"];
      addLines(tracks, "Action units", packed.units.map(([name, values], i) => [name, hues[i], values]), "0 to 5");
    }
    if (packed.pitch !== undefined) {
      const zcr = data.f0 === "zcr";
      addLines(tracks, zcr ? "Zero crossings" : "Log F0", [[zcr ? "rate" : "pitch", "a", packed.pitch]], zcr ? "0 to 0.5" : "60 to 600 Hz, gaps unvoiced");
      addHeat(tracks, "MFCC", packed.mfcc, 20, "0 at the bottom; each against its own mean, ±2.5 std");
      addHeat(tracks, "Chroma", packed.chroma, 12, "C at the bottom to B");
    }
    if (packed.tokens) {
      const special = new Set(["[CLS]", "[SEP]"]);
      const list = make("div", { class: "tokens" }, ...packed.tokens.map((token) =>
        make("span", { class: special.has(token) ? "special" : token === "[UNK]" ? "unknown" : "", dir: "auto", text: token })));
      addRow(tracks, "Tokens", list, make("div", { class: "key", text: `${packed.tokens.length} tokens` }));
    }
  }

  function addLines(tracks, name, lines, note, middle) {
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", "0 0 100 100");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${name}: ${lines.map((line) => line[0]).join(", ")}, ${note}`);
    if (middle) picture.append(pathOf("M0 50H100", "axis"));
    const key = make("div", { class: "key" });
    for (const [label, hue, packed] of lines) {
      const path = pathOf(shapeOf(unpack(packed)), "");
      path.style.stroke = `var(--${hue})`;
      picture.append(path);
      const swatch = make("i");
      swatch.style.background = `var(--${hue})`;
      key.append(make("span", {}, swatch, label), " ");
    }
    key.append(make("span", { text: note ? `· ${note}` : "" }));
    addRow(tracks, name, picture, key);
  }

  function pathOf(shape, name) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    if (name) path.setAttribute("class", name);
    return path;
  }

  function shapeOf(values) {
    let shape = "", pen = false;
    const step = 100 / values.length;
    values.forEach((value, i) => {
      if (value === undefined) { pen = false; return; }
      const x = ((i + 0.5) * step).toFixed(2), y = (94 - value * 88).toFixed(1);
      // a lone sample is drawn as a short dash, since a line needs two
      shape += pen ? `L${x} ${y}` : `M${(i * step + step * 0.2).toFixed(2)} ${y}L${x} ${y}`;
      pen = true;
    });
    return shape;
  }

  const heat = data.heat.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));

  function addHeat(tracks, name, packed, height, note) {
    const width = packed.length / height;
    const canvas = make("canvas", { class: height > 12 ? "tall" : "", width, height, role: "img", "aria-label": `${name}, ${note}` });
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    unpack(packed).forEach((value, i) => {
      const [r, g, b] = value === undefined ? [128, 128, 128] : heat[Math.round(value * (heat.length - 1))];
      image.data.set([r, g, b, 255], i * 4);
    });
    context.putImageData(image, 0, 0);
    addRow(tracks, name, canvas, make("div", { class: "key", text: note }));
  }

  // ---- links to a clip: report.html#clip=video_0001/0003 ---------------------------------
  const addressOf = (row) => `#clip=${encodeURIComponent(row.clip).replaceAll("%2F", "/")}`;

  function follow() {
    if (!location.hash.startsWith("#clip=")) return;
    let wanted = "";
    try { wanted = decodeURIComponent(location.hash.slice(6)); } catch { return; }
    if (!rows.some((row) => row.clip === wanted)) return;
    $("filters").reset();
    state.open.add(wanted);
    filter();
    const place = state.shown.findIndex((row) => row.clip === wanted);
    state.page = Math.floor(place / Number($("size").value));
    draw();
    body.querySelector("tr.open").scrollIntoView({ block: "start" });
  }
  addEventListener("hashchange", follow);

  // ---- start ---------------------------------------------------------------------------
  $("filters").hidden = false;
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("search").addEventListener("input", filter);
  for (const id of ["part", "class", "kind"]) $(id).addEventListener("change", filter);
  $("size").addEventListener("change", () => { state.page = 0; draw(); });
  $("previous").addEventListener("click", () => { state.page--; draw(); });
  $("next").addEventListener("click", () => { state.page++; draw(); });
  filter();
  follow();
})();
