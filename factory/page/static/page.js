// What makes the pages quicker to use. Each of them works without it.
"use strict";

// Live pages: the service says that something changed, and the parts marked `data-live` are fetched anew.
const live = document.querySelector("[data-stream]");
let fetching = false;

async function refresh() {
  if (fetching || document.hidden) return;
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) replace(part, fresh.getElementById(part.id));
  } finally {
    fetching = false;
  }
}

function replace(part, fresh) {
  if (!fresh || part.isEqualNode(fresh) || part.contains(document.activeElement)) return;
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((each) => each.id));
  const log = part.querySelector("pre.log");
  const atEnd = !log || log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const top = log ? log.scrollTop : 0;
  part.replaceWith(document.importNode(fresh, true));
  const now = document.getElementById(fresh.id);
  for (const each of now.querySelectorAll("details[id]")) if (open.has(each.id)) each.open = true;
  const shown = now.querySelector("pre.log");
  if (shown) shown.scrollTop = atEnd ? shown.scrollHeight : top;
}

if (live) {
  const stream = new EventSource(live.dataset.stream);
  stream.addEventListener("changed", refresh);
  stream.addEventListener("end", () => { stream.close(); refresh(); });
  document.addEventListener("visibilitychange", refresh);
  for (const log of document.querySelectorAll("pre.log")) log.scrollTop = log.scrollHeight;
}

// Keys: j and k go down and up, n and p turn pages, / searches, Enter opens what is in focus.
const rows = [...document.querySelectorAll("a[data-row]")];
const link = (rel) => [...document.querySelectorAll(`a[rel="${rel}"]`)].at(-1);  // the nearest to what is read

function step(by) {
  if (!rows.length) return follow(by > 0 ? "next" : "prev");
  const place = rows.indexOf(document.activeElement) + by;
  if (place >= rows.length) return follow("next");
  rows[Math.max(place, 0)].focus();
}

function follow(rel) {
  const found = link(rel);
  if (found) location.assign(found.href);
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  n: () => follow("next"),
  p: () => follow("prev"),
  u: () => follow("up"),
  "/": () => document.querySelector("[data-search]")?.focus(),
};

// A button that names its key: on the page where people compare two answers, 1, 2, t, s and z.
function keyed(key) {
  const button = [...document.querySelectorAll("button[data-key]")].find((each) => each.dataset.key === key);
  return button && (() => button.click());
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = KEYS[event.key] ?? (event.repeat ? undefined : keyed(event.key));
  if (!act) return;
  event.preventDefault();
  act();
});

// What was unfolded in one sample is unfolded in the next.
for (const fold of document.querySelectorAll("details[data-fold]")) {
  const key = `fold ${fold.dataset.fold}`;
  if (sessionStorage.getItem(key) === "open") fold.open = true;
  fold.addEventListener("toggle", () => sessionStorage.setItem(key, fold.open ? "open" : "shut"));
}

// The thing that a graph is about may lie outside of what is seen of it.
document.querySelector(".graph .here")?.scrollIntoView({ inline: "center", block: "nearest" });
