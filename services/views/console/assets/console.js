// What the page gains with JavaScript: shortcuts that move the focus and never act, copy buttons, one press a form.
// Everything else is links and forms. Under the content security policy: no eval, no inline code.
"use strict";

document.documentElement.classList.add("js");

const keysOff = () => localStorage.getItem("shortcuts") === "off";
const pages = { q: "quotas", h: "holds", o: "obligations", a: "ask" };
const focusOn = { "/": "#jump", r: "#recheck", e: "#release", d: "#deny" };
let afterG = false;

const rows = () => [...document.querySelectorAll("[data-rows] tbody tr a[data-row]")];

function step(by) {
  const links = rows();
  const at = links.indexOf(document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function press(key) {
  if (afterG) {
    afterG = false;
    const link = pages[key] && document.querySelector(`[data-page="${pages[key]}"]`);
    if (link) link.click();
    return Boolean(link);
  }
  if (key === "g") { afterG = true; setTimeout(() => { afterG = false; }, 1500); return true; }
  if (key === "j" || key === "k") { step(key === "j" ? 1 : -1); return true; }
  if (key === "[" || key === "]") { document.querySelector(key === "[" ? "[rel=prev]" : "[rel=next]")?.click(); return true; }
  if (key === "?") { document.querySelector("#keys")?.showModal(); return true; }
  const target = focusOn[key] && document.querySelector(focusOn[key]);
  if (target) {
    target.closest("details")?.setAttribute("open", "");
    target.focus();
    return true;
  }
  return false;
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (event.ctrlKey || event.metaKey || event.altKey || typing || (keysOff() && event.key !== "?")) return;
  if (press(event.key)) event.preventDefault();
});

document.querySelector("[data-focus]")?.focus();

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => {
    for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-busy", "true");
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
    const said = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = said; }, 2000);
  });
}

for (const button of document.querySelectorAll("[data-keys]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.querySelector("#keys").showModal());
}

const toggle = document.querySelector("#shortcuts");
if (toggle) {
  toggle.checked = !keysOff();
  toggle.addEventListener("change", () => localStorage.setItem("shortcuts", toggle.checked ? "on" : "off"));
}
