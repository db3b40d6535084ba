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
  if (!table || !data.columns.clip.length) return;
  // a column per key, which spares each row the keys; a missing value has none in its row
  const columns = Object.entries(data.columns);
  data.rows = data.columns.clip.map((_, index) =>
    Object.fromEntries(columns.map(([key, values]) => [key, values[index]]).filter(([, value]) => value !== null)));

  const minus = (text) => text.replace("-", "−");
  const label = (v) => minus(v.toFixed(1));
  const SHARE = (v) => String(Math.round(v * 100));
  const LABELS = Object.entries(data.labels).map(([key, title]) => ({
    key, name: key, write: label, hint: key === "M" ? "label M, with the colour of its class" : `label ${key}: ${title}`,
  }));
  const FIGURES = data.figures.map(([key, name, unit, hint]) => {
    const whole = data.rows.every((row) => row[key] === undefined || Number.isInteger(row[key]));
    return { key, name, unit, hint, figure: true, write: unit === "%" ? SHARE : whole ? String : (v) => minus(v.toFixed(Math.abs(v) < 10 ? 2 : 1)) };
  });
  const COLUMNS = [
    { key: "clip", name: "Clip", text: true },
    { key: "weight", name: "Findings", down: true, text: true, hint: "the gravest first" },
    { key: "part", name: "Part", text: true },
    ...LABELS,
    { key: "seconds", name: "Length", unit: "s", write: (v) => v.toFixed(2) },
    ...FIGURES,
    { key: "cut", name: "Cut", text: true, write: (v) => v.map((name) => name[0].toUpperCase()).join(" "), hint: `cut to the common length: ${data.slots.join(", ")}` },
  ];
  const rows = data.rows.map((row, index) => ({
    ...row, index, haystack: `${row.clip}\n${row.text}`.toLowerCase(), kinds: new Set(row.found.map((f) => f[0])), marked: new Set(row.found.map((f) => f[2])),
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
    $("sort").append(make("option", { value: column.key, text: column.name }));
  }

  $("sort").value = state.sort;

  function sortBy(column) {
    state.down = state.sort === column.key ? !state.down : Boolean(column.down);
    state.sort = column.key;
    $("sort").value = column.key;
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
      cell.title = row.found.map((item) => item[1]).join("\n");
      const more = row.found.length > 1 ? make("span", { class: "more", text: ` +${row.found.length - 1}` }) : "";
      cell.append(make("div", {}, make("bdi", { text: shorten(row.found[0][1], 90) }), more));
      return cell;
    }
    const low = row.marked.has(column.key) ? " low" : "";
    const cell = make("td", { class: `${column.text ? "" : "n"}${column.figure ? " figure" : ""}${low}`, "data-name": column.name });
    if (column.unit) cell.dataset.unit = column.unit;
    if (column.key === "M" && row.class)
      cell.append(make("span", { class: `dot ${row.class.toLowerCase()}`, title: row.class }));
    const absent = value === undefined || (Array.isArray(value) && !value.length);
    if (absent) cell.classList.add("absent");
    cell.append(absent ? make("span", { class: "none", text: column.key === "cut" ? "" : "–" }) : column.write ? column.write(value) : value);
    return cell;
  }

  const shorten = (text, limit) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);

  function lineOf(row) {
    const opened = state.open.has(row.clip);
    const line = make("tr", { class: opened ? "clip open" : "clip" });
    const opener = make("button", { type: "button", class: "opener", "aria-expanded": String(opened) }, make("bdi", { text: row.clip }));
    opener.title = row.clip;
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
      if (packed.votes) sheet.append(make("p", { class: "soft", text: packed.votes }));
      sheet.append(tracksOf(packed));
      for (const stage of packed.empty || [])
        sheet.append(make("p", { class: "gap", text: `The ${stage} feature of this clip has no step: there is nothing to draw.` }));
      for (const stage of packed.absent || [])
        sheet.append(make("p", { class: "gap" }, `No ${stage} file for this clip. Make it with `, make("code", { text: `chsims-build --stage ${stage} --clip ${row.clip}` })));
    }
    return make("tr", { class: "detail" }, make("td", { class: "detail", colspan: COLUMNS.length }, sheet));
  }

  /** Draw every track of a clip on one scale: the whole width is packed.seconds. */
  function tracksOf(packed) {
    const tracks = make("div", { class: "tracks" });
    if (packed.film) addRow(tracks, "Face", placed(filmOf(packed), packed.spans.faces, packed.seconds), "");
    for (const track of data.tracks) {
      const values = (packed.tracks || {})[track.key];
      if (values === undefined) continue;
      const lines = track.lines || (packed.lines || {})[track.key];
      const picture = track.rows ? heatOf(track, values) : linesOf(track, lines, values);
      addRow(tracks, track.name, placed(picture, packed.spans[track.stage], packed.seconds), keyOf(track, lines));
    }
    if (tracks.children.length) addRow(tracks, "", rulerOf(packed.seconds), make("div", { class: "key", text: "seconds" }));
    if (packed.tokens) addRow(tracks, "Tokens", tokensOf(packed.tokens), make("div", { class: "key", text: `${packed.tokens.length} tokens` }));
    return tracks;
  }

  function addRow(tracks, name, picture, key) {
    tracks.append(make("div", { class: "label", text: name }), picture, key || make("div", { class: "key" }));
  }

  /** Put a picture where its time lies on the clip's scale. */
  function placed(picture, [start, end], seconds) {
    const track = make("div", { class: "track" }, picture);
    picture.style.marginLeft = `${(100 * start / seconds).toFixed(3)}%`;
    picture.style.width = `${(100 * (end - start) / seconds).toFixed(3)}%`;
    return track;
  }

  function rulerOf(seconds) {
    const ruler = make("div", { class: "ruler", role: "img", "aria-label": `${seconds.toFixed(2)} seconds` });
    const step = [0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300].find((size) => seconds / size <= 8) || 600;
    for (let tick = 0; tick * step < seconds * 0.97; tick++) {
      const mark = make("span", { text: String(Math.round(tick * step * 10) / 10) });
      mark.style.left = `${(100 * tick * step / seconds).toFixed(3)}%`;
      ruler.append(mark);
    }
    return ruler;
  }

  function filmOf(packed) {
    const film = make("div", { class: "film" });
    packed.moments.forEach((moment, place) => {
      const time = `${moment.toFixed(1)} s`;
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
    });
    return film;
  }

  function tokensOf(tokens) {
    const special = new Set(["[CLS]", "[SEP]"]);
    return make("div", { class: "tokens" }, ...tokens.map((token) =>
      make("span", { class: special.has(token) ? "special" : token === "[UNK]" ? "unknown" : "", dir: "auto", text: token })));
  }

  function linesOf(track, lines, values) {
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", "0 0 100 100");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${track.name}: ${lines.map((line) => line[0]).join(", ")}, ${track.note}`);
    if (track.middle) picture.append(pathOf("M0 50H100", "axis"));
    lines.forEach(([, hue], i) => {
      const path = pathOf(shapeOf(unpack(values[i])), "");
      path.style.stroke = `var(--${hue})`;
      picture.append(path);
    });
    return picture;
  }

  function keyOf(track, lines) {
    const key = make("div", { class: "key" });
    for (const [name, hue] of lines || []) {
      const swatch = make("i");
      swatch.style.background = `var(--${hue})`;
      key.append(make("span", {}, swatch, name), " ");
    }
    key.append(make("span", { class: "note", text: track.note }));
    return key;
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

  function heatOf(track, packed) {
    const height = track.rows, width = packed.length / height;
    const canvas = make("canvas", { class: height > 12 ? "tall" : "", width, height, role: "img", "aria-label": `${track.name}, ${track.note}` });
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    unpack(packed).forEach((value, i) => {
      const [r, g, b] = value === undefined ? [128, 128, 128] : heat[Math.round(value * (heat.length - 1))];
      image.data.set([r, g, b, 255], i * 4);
    });
    context.putImageData(image, 0, 0);
    return canvas;
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
  $("sort").addEventListener("change", () => {
    state.sort = "";
    sortBy(COLUMNS.find((column) => column.key === $("sort").value));
  });
  $("size").addEventListener("change", () => { state.page = 0; draw(); });
  $("previous").addEventListener("click", () => { state.page--; draw(); });
  $("next").addEventListener("click", () => { state.page++; draw(); });
  filter();
  follow();
})();
