// News of a page while somebody looks at it: each element of a message takes the place of the one with its id.
// The body says which page it is and up to which sequence number it is read; a hidden tab lets its connection go.
"use strict";

const QUIET = 20_000, SOON = 5_000, LATE = 60_000;
const { live: page, after } = document.body.dataset;
const banner = document.querySelector("#stale");
const time = () => `${new Date().toISOString().slice(11, 16)} UTC`;
let last = after, heardAt = time(), wait = SOON, source = null, retry, silence, said = "";

const typed = (field) => (field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
  : field.options ? [...field.options].some((one) => one.selected !== one.defaultSelected)
  : field.type !== "hidden" && field.value !== field.defaultValue);
const inUse = (element) => [...element.querySelectorAll("input, select, textarea")].some(
  (field) => field === document.activeElement || typed(field));

function keep(element) {
  if (element.previousElementSibling?.matches("[data-kept]")) return;
  element.before(document.querySelector("#kept").content.cloneNode(true));
}

function replace(old, fresh) {
  const active = old.contains(document.activeElement) ? document.activeElement : null;
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  fresh.querySelectorAll("details").forEach((one, n) => { one.open = open[n] ?? one.open; });
  old.replaceWith(fresh);
  const same = (one) => (active.id && one.id === active.id) || (active.href && one.href === active.href);
  if (active) [...fresh.querySelectorAll("a, button, summary")].find(same)?.focus({ preventScroll: true });
}

function put(fresh) {
  const old = document.getElementById(fresh.id), list = document.getElementById(fresh.dataset.into ?? "");
  if (fresh.hasAttribute("data-ends")) document.querySelectorAll("[data-act] button[type=submit]").forEach((one) => one.remove());
  const before = old?.cloneNode(true);
  before?.classList.remove("changed");
  if (before && !before.classList.length) before.removeAttribute("class");
  if (before?.isEqualNode(fresh)) return;
  if (fresh.id !== "live") fresh.classList.add("changed");
  if (old && inUse(old)) keep(old);
  else if (old) replace(old, fresh);
  else if (list) list.append(fresh);
}

function take(html) {
  for (const one of html.split("<!---->")) {
    const part = document.createElement("template"); // of its own: beside other elements a row would be dropped
    part.innerHTML = one;
    for (const fresh of [...part.content.children]) put(fresh);
  }
}

function heard() {
  heardAt = time();
  wait = SOON;
  clearTimeout(silence);
  silence = setTimeout(quiet, QUIET);
  const line = document.querySelector("#live");
  if (!line.classList.contains("stale")) return;
  line.classList.remove("stale");
  line.querySelector(".on").replaceChildren(...said);
  banner.hidden = true;
}

function quiet() {
  const line = document.querySelector("#live"), sentence = banner.dataset.since.replace("{time}", heardAt);
  if (!line.classList.contains("stale")) said = [...line.querySelector(".on").childNodes];
  line.classList.add("stale");
  line.querySelector(".on").textContent = sentence;
  banner.querySelector("b").textContent = sentence;
  banner.hidden = false;
}

function close() {
  source?.close();
  source = null;
  clearTimeout(retry);
}

function open() {
  close();
  if (document.visibilityState === "hidden") return;
  source = new EventSource(`/console/live?page=${encodeURIComponent(page)}&after=${last}`);
  source.onmessage = (event) => { heard(); last = event.lastEventId || last; take(event.data); };
  source.addEventListener("beat", heard);
  source.addEventListener("much", () => { document.querySelector("#much").hidden = false; });
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return;
    retry = setTimeout(open, wait);
    wait = Math.min(2 * wait, LATE);
  };
}

function seen() {
  clearTimeout(silence);
  if (document.visibilityState === "hidden") return close();
  silence = setTimeout(quiet, QUIET);
  wait = SOON;
  return open();
}

document.addEventListener("visibilitychange", seen);
addEventListener("pagehide", () => { clearTimeout(silence); close(); });
addEventListener("pageshow", (event) => { if (event.persisted) seen(); });
seen();
