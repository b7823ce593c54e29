"use strict";
(() => {
  const root = document.documentElement;

  // --- light and dark ---
  const theme = document.getElementById("theme");
  const kept = (() => { try { return localStorage.getItem("segrepro-theme"); } catch { return null; } })();
  if (kept) root.dataset.theme = kept;
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    try { localStorage.setItem("segrepro-theme", root.dataset.theme); } catch { /* a page from a file may have no memory */ }
  });

  // --- tables: sort by a column, keep only rows that hold some words ---
  const valueOf = (cell) => {
    if (cell === undefined) return [2, ""];
    const text = (cell.dataset.value ?? cell.textContent).trim().replaceAll(",", "");
    const number = /^[+−-]?\d/.test(text) ? parseFloat(text.replace("−", "-")) : NaN;
    return Number.isNaN(number) ? [/^[–-]?$|^not run$/.test(text) ? 2 : 1, text.toLowerCase()] : [0, number];
  };
  const byValue = (one, other, sign) => {
    if (one[0] !== other[0]) return one[0] - other[0]; // what has no number comes last either way
    return sign * (one[1] < other[1] ? -1 : one[1] > other[1] ? 1 : 0);
  };
  const units = (table) => table.tBodies.length > 1 ? [...table.tBodies] : [...(table.tBodies[0]?.rows ?? [])];
  const keyRow = (unit) => unit.matches("tr") ? unit : unit.querySelector("tr.ours") ?? unit.rows[0];
  for (const table of document.querySelectorAll("table.sortable")) prepare(table);

  function prepare(table) {
    [...(table.tHead?.rows[0]?.cells ?? [])].forEach((head, column) => {
      if (!head.textContent.trim() || head.querySelector("button")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
    });
  }
  document.addEventListener("click", (event) => {
    const head = event.target.closest?.("table.sortable th[scope=col], table.sortable thead th");
    if (!head || !event.target.closest("button")) return;
    const table = head.closest("table");
    const column = head.cellIndex;
    const sign = head.getAttribute("aria-sort") === "descending" ? 1 : head.getAttribute("aria-sort") ? -1 : head.classList.contains("num") ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const keyOf = (unit) => {
      const row = column === 0 && !unit.matches("tr") ? unit.rows[0] : keyRow(unit);
      return valueOf(row.cells[column]);
    };
    const sorted = units(table).map((unit) => [keyOf(unit), unit]).sort((a, b) => byValue(a[0], b[0], sign));
    for (const [, unit] of sorted) unit.parentNode.append(unit);
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches?.("input[type=search]")) return;
    const words = event.target.value.toLowerCase();
    const list = event.target.dataset.filters;
    const items = list ? [...document.getElementById(list).children]
      : units(event.target.closest(".tools").nextElementSibling.querySelector("table"));
    let shown = 0;
    for (const item of items) {
      const text = list ? item.querySelector("summary").textContent : item.textContent;
      item.hidden = !text.toLowerCase().includes(words);
      shown += item.hidden ? 0 : 1;
    }
    if (list) document.querySelector(`output[for="${list}"]`).textContent = words ? `${shown} of ${items.length}` : "";
  });

  // --- claims by verdict ---
  const verdicts = [...document.querySelectorAll("button[data-verdict]")];
  for (const button of verdicts) button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    const wanted = verdicts.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.verdict);
    for (const claim of document.querySelectorAll("article.claim"))
      claim.hidden = wanted.length > 0 && !wanted.includes(claim.dataset.verdict);
  });

  // --- the panel: arm, seed, run, settings ---
  const panel = document.getElementById("panel");
  if (!panel) return;
  const body = document.getElementById("panel-body");
  const trailNav = document.getElementById("trail");
  let trail = []; // ids from the outermost to what is shown
  let opener = null;

  const titleOf = (element) => element.dataset.title ?? wordsOf(element);
  const wordsOf = (element) => (element.querySelector("summary .label") ?? element.querySelector("summary")).textContent.trim().replace(/\s+/g, " ");
  const target = (hash) => {
    let id = "";
    try { id = decodeURIComponent(hash.slice(1)); } catch { return null; }
    const found = id ? document.getElementById(id) : null;
    return found?.matches("details.drill") ? found : null;
  };
  const crumb = (id) => id.startsWith("claim-")
    ? document.getElementById(id)?.querySelector(".id")?.textContent ?? id
    : titleOf(document.getElementById(id));

  function show(element) {
    const at = trail.indexOf(element.id);
    if (at >= 0) trail = trail.slice(0, at + 1);
    else {
      if (element.matches(".seed") && !trail.some((id) => id.startsWith("arm-")))
        trail.push(element.parentElement.closest("details.drill").id);
      else if (element.matches(".seed")) // another arm's seed
        trail = [...trail.filter((id) => id.startsWith("claim-")), element.parentElement.closest("details.drill").id];
      trail.push(element.id);
    }
    const copy = element.cloneNode(true);
    copy.querySelector("summary").remove();
    for (const one of copy.querySelectorAll("[id]")) one.removeAttribute("id");
    const heading = document.createElement("h2");
    heading.id = "panel-title";
    heading.textContent = wordsOf(element);
    body.replaceChildren(heading, ...copy.childNodes);
    trailNav.replaceChildren(...trail.map((id) => {
      const isLast = id === element.id;
      const part = document.createElement(isLast ? "span" : "a");
      part.textContent = crumb(id);
      if (isLast) part.setAttribute("aria-current", "location"); else part.href = `#${id}`;
      return part;
    }));
    if (!panel.open) panel.showModal();
    panel.scrollTop = 0;
    body.focus({ preventScroll: true });
  }
  function hide() {
    trail = [];
    if (panel.open) panel.close();
    if (opener?.isConnected) opener.focus({ preventScroll: true });
    opener = null;
  }
  function follow() {
    const element = target(location.hash);
    if (element) show(element); else hide();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (!panel.open) {
      opener = link;
      const claim = link.closest("article.claim");
      trail = claim ? [claim.id] : [];
    }
    if (panel.open && link.hash.startsWith("#claim-")) { hide(); document.querySelector(link.hash).hidden = false; }
    else if (target(link.hash)) {
      event.preventDefault(); // the page behind stays where it is
      if (location.hash !== link.hash) history.pushState(null, "", link.hash);
      follow();
    }
  });
  const leave = () => { if (target(location.hash)) history.pushState(null, "", location.pathname + location.search); hide(); };
  panel.addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
  panel.addEventListener("click", (event) => { if (event.target === panel) leave(); });
  document.getElementById("close").addEventListener("click", leave);
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
  follow();
})();
