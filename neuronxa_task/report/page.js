"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---------------------------------------------------------------- theme

const theme = document.getElementById("theme");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

const chosen = document.documentElement.dataset;
const isDark = () => (chosen.theme ? chosen.theme === "dark" : prefersDark.matches);
const showTheme = () => theme.setAttribute("aria-pressed", isDark());

showTheme();
prefersDark.addEventListener("change", showTheme);
theme.addEventListener("click", () => {
  chosen.theme = isDark() ? "light" : "dark";
  showTheme();
});

// ---------------------------------------------------------------- menus: which figures show

function showChosen(section) {
  const menus = all("select[data-key]", section);
  for (const group of all("[data-menu]", section)) {
    // A section may hold several groups of figures, each under its own menus.
    const own = menus.filter((menu) => groupAfter(menu) === group);
    for (const item of group.children) {
      const shows = own.every((menu) => menu.value === "" || menu.value === item.dataset[menu.dataset.key]);
      item.classList.toggle("on", shows);
    }
  }
}

function groupAfter(menu) {
  let next = menu.closest(".menus").nextElementSibling;
  while (next && !("menu" in next.dataset)) next = next.nextElementSibling;
  return next;
}

for (const menu of all("select[data-key]")) {
  menu.addEventListener("change", () => {
    if (menu.dataset.key === "model" && menu.value !== "") {
      for (const other of all('select[data-key="model"]')) other.value = menu.value;
      all("section").forEach(showChosen);
    } else {
      showChosen(menu.closest("section"));
    }
    countRows();
  });
}

// ---------------------------------------------------------------- table: sorting and searching

const number = (text) => parseFloat(text.replace("−", "-"));

/** Numbers by size, other texts by the alphabet; in a column of numbers what is none comes last. */
function comparison(texts, descending) {
  const sign = descending ? -1 : 1;
  if (!texts.some((text) => !isNaN(number(text)))) return (a, b) => sign * a.localeCompare(b);
  return (a, b) => {
    const [x, y] = [number(a), number(b)];
    return isNaN(x) - isNaN(y) || (isNaN(x) ? a.localeCompare(b) : sign * (x - y));
  };
}

function sortBy(heading) {
  const descending = heading.classList.contains("n")
    ? heading.ariaSort !== "descending"
    : heading.ariaSort === "ascending";
  for (const each of heading.parentElement.children) each.ariaSort = "none";
  heading.ariaSort = descending ? "descending" : "ascending";
  const body = heading.closest("table").tBodies[0];
  const texts = new Map([...body.rows].map((row) => [row, row.cells[heading.cellIndex].textContent]));
  const compare = comparison([...texts.values()], descending);
  body.append(...[...body.rows].sort((a, b) => compare(texts.get(a), texts.get(b))));
}
for (const button of all(".sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

const search = document.getElementById("search");
const script = document.getElementById("script");
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function filterRows() {
  const wanted = plain(search.value.trim());
  for (const row of all(".sortable tbody tr")) {
    const names = [...row.cells].slice(0, 4).map((cell) => cell.textContent).join("\n");
    const found = plain(names).includes(wanted) && (!script.value || row.cells[3].textContent === script.value);
    row.hidden = !found;
  }
  all(".sortable").forEach(averageColumns);
  countRows();
}

/** Means of the rows that show and their standard errors, over those that have a number in every column that has any. */
function averageColumns(table) {
  const isNumber = (cell) => !isNaN(number(cell.textContent));
  const columns = [...table.tHead.rows[0].cells].filter((cell) => cell.classList.contains("n")).map((cell) => cell.cellIndex);
  const rows = [...table.tBodies[0].rows];
  const filled = columns.filter((column) => rows.some((row) => isNumber(row.cells[column])));
  const complete = rows.filter((row) => !row.hidden && filled.every((column) => isNumber(row.cells[column])));
  const foot = table.tFoot.rows[0];
  foot.querySelector(".complete").textContent = complete.length;
  columns.forEach((column) => {
    const cell = foot.cells[column];
    const values = filled.includes(column) ? complete.map((row) => number(row.cells[column].textContent)) : [];
    const sum = (numbers) => numbers.reduce((total, value) => total + value, 0);
    const mean = sum(values) / values.length;
    cell.textContent = values.length ? mean.toFixed(3).replace("-", "−") : "–";
    cell.className = "n";
    if (values.length > 1) {
      const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
      const error = document.createElement("i");
      error.textContent = `±${Math.sqrt(variance / values.length).toFixed(3)}`;
      cell.append(error);
    }
  });
}

function countRows() {
  const rows = all("[data-menu] > .on .sortable tbody tr");
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("count").textContent = `${shown} of ${rows.length} languages`;
}
search.addEventListener("input", filterRows);
script.addEventListener("change", filterRows);
countRows();

// ---------------------------------------------------------------- tables to copy

/** A cell's text, and what stands beside it in small type: an error or an interval. */
function parts(cell) {
  const beside = all("i, small", cell).map((each) => each.textContent).join(" ");
  const main = [...cell.childNodes].filter((node) => !["I", "SMALL"].includes(node.nodeName));
  return [main.map((node) => node.querySelector?.(".label")?.textContent ?? node.textContent).join(""), beside]
    .map((text) => text.trim().replace(/\s+/g, " "));
}

/** Rows as [text, beside] pairs: those that show; the heading of a group becomes a first column. */
function shownRows(table) {
  const head = [...table.tHead.rows[0].cells].map(parts);
  const grouped = table.querySelector("[scope=rowgroup]") !== null;
  let group = ["", ""];
  const rows = [];
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
    if (row.hidden) continue;
    if (row.cells[0].scope === "rowgroup") group = [parts(row.cells[0])[0], ""];
    else rows.push([...(grouped ? [group] : []), ...[...row.cells].map(parts)]);
  }
  return [[...(grouped ? [["Group", ""]] : []), ...head], rows];
}

const headingText = ([text, beside]) => (beside ? `${text} (${beside})` : text);
const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const formula = (text) => (/^[=+@]/.test(text) ? `'${text}` : text);

/** What stands beside the numbers of a column; nothing for nothing. */
const kindOf = (beside) => beside && (beside.startsWith("±") ? "±" : beside.startsWith("[") ? "95 % interval" : "note");

function asCsv(table) {
  const [head, rows] = shownRows(table);
  const doubled = head.map((_, column) => kindOf(rows.find((row) => row[column][1])?.[column][1]));
  const line = (cells) => cells.map((text) => quoted(formula(text.replace(/^−/, "-")))).join(",");
  const names = head.flatMap((cell, column) => (doubled[column] ? [headingText(cell), `${headingText(cell)} ${doubled[column]}`] : [headingText(cell)]));
  return [
    line(names),
    ...rows.map((row) => line(row.flatMap(([text, beside], column) => {
      const value = text === "–" ? "" : text;
      return doubled[column] ? [value, beside.replace("±", "")] : [value];
    }))),
  ].join("\n") + "\n";
}

const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "–": "--", "−": "$-$", "±": "$\\pm$", "×": "$\\times$" };
const escaped = (text) => text.replace(/[\\~^–−±×]|[&%$#_{}]/g, (mark) => LATEX[mark] ?? `\\${mark}`);

function asLatex(table) {
  const [head, rows] = shownRows(table);
  const columns = head.map((_, column) => column).filter((column) => head[column][0] !== "Own name"); // any script
  const isNumeric = (column) => rows.every((row) => row[column][0] === "–" || !isNaN(number(row[column][0])));
  const line = (cells) => `${cells.join(" & ")} \\\\`;
  return [
    "% \\usepackage{booktabs}",
    `\\begin{tabular}{${columns.map((column) => (isNumeric(column) ? "r" : "l")).join("")}}`,
    "\\toprule",
    line(columns.map((column) => escaped(headingText(head[column])))),
    "\\midrule",
    ...rows.map((row) => line(columns.map((column) => escaped(row[column].filter(Boolean).join(" "))))),
    "\\bottomrule",
    "\\end{tabular}",
  ].join("\n") + "\n";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not allowed for this page
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function copyButton(label, what, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.setAttribute("aria-label", `${label}: ${what}`);
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

function addButtons(element, ...buttons) {
  const row = document.createElement("div");
  row.className = "copy live";
  row.append(...buttons);
  element.after(row);
}

for (const table of all("table[data-copy]")) {
  const what = table.dataset.copy;
  addButtons(
    table.closest(".scroll"),
    copyButton("Copy CSV", what, () => asCsv(table)),
    copyButton("Copy LaTeX", what, () => asLatex(table)),
  );
}
const commands = document.getElementById("commands");
addButtons(commands, copyButton("Copy", "commands", () => `${commands.textContent}\n`));

// ---------------------------------------------------------------- what the pointer is at

const tip = document.getElementById("tip");

const MISSING = "--";

function tipAt(event) {
  const image = event.target.closest("image[data-layers]");
  if (image) return cellAt(image, event);
  const group = event.target.closest("[data-tips]");
  if (group) return markTold(group, all("use, path", group).indexOf(event.target));
  const chart = event.target.closest("svg.chart");
  return chart && nearestTold(chart, event);
}

const names = document.querySelector("[data-names]").dataset.names.split("\t");

/** `data-tips` has for each mark the number of its name, then a value for each name in `data-of`. */
function markTold(group, place) {
  const tip = group.dataset.tips.split(";")[place];
  if (!tip) return undefined;
  const [name, ...values] = tip.split("|");
  const of = group.dataset.of?.split("|") ?? [];
  return [names[name], ...of.map((each, value) => `${each} ${values[value].replace(/^\./, "0.")}`)].join("\n");
}

const NEAR = 5;

/** Many marks are the vertices of one path, which the pointer is never on: the nearest one counts. */
function nearestTold(chart, event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
  let [nearest, group, place] = [NEAR, undefined, 0];
  for (const path of all("[data-tips] > path[marker-mid]", chart)) {
    path.getAttribute("d").slice(1).split("L").forEach((vertex, number) => {
      const [x, y] = vertex.split(" ").map(Number);
      const distance = Math.hypot(x - at.x, y - at.y);
      if (distance < nearest) [nearest, group, place] = [distance, path.parentElement, number];
    });
  }
  return group && markTold(group, place);
}

/** Values are two digits to the base of 36 each, in thousandths; rows are parted by spaces. */
function cellAt(image, event) {
  const box = image.getBoundingClientRect();
  const { first, layers, names, values } = image.dataset;
  const rows = values.split(" ");
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows.length);
  const layer = Math.floor(((event.clientX - box.left) / box.width) * layers);
  const digits = rows[row]?.slice(2 * layer, 2 * layer + 2);
  if (!digits) return undefined;
  const value = digits === MISSING ? "no neurons" : (parseInt(digits, 36) / 1000).toFixed(3);
  if (image.dataset.pairs) {
    const [one, other] = [row, layer].map((place) => names.split("\t")[place]);
    return row === layer ? one : `${one} and ${other}\n${value}`;
  }
  return `${names.split("\t")[row]}\nlayer ${layer + Number(first)}: ${value}`;
}

function showTip(event) {
  const text = event.target instanceof Element && tipAt(event);
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const above = event.clientY - tip.offsetHeight - 10;
  tip.style.transform = `translate(${Math.max(4, left)}px, ${above > 4 ? above : event.clientY + 18}px)`;
}
document.addEventListener("pointermove", showTip);
document.addEventListener("pointerdown", showTip);
document.addEventListener("scroll", () => { tip.hidden = true; }, true);
