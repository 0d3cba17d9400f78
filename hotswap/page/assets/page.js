// In a page of the program: follows what is live. It is told a state, never an event, and compares that with what the page has.
//
//   state                      the page
//   another run, newer code    is loaded again; or asks first, where something was typed in or a form was answered
//   newer styles               exchanges its style sheets
//   noticed                    shows it, as long as nothing is held; errors also where it asks whether to load again
//   held                       shows why, until it is not so any more or until it is dismissed
//   restarting, no answer      says so, and is loaded again when the server is back
"use strict";
(() => {
  const tag = document.currentScript;
  const mark = Symbol.for("hotswap");
  if (!tag || window[mark]) return;
  window[mark] = true;

  const base = new URL(tag.src).origin;
  const home = new URL(tag.dataset.home, location.href);
  const seen = { run: tag.dataset.run, code: Number(tag.dataset.code), styles: Number(tag.dataset.styles) };
  const isStatus = tag.dataset.mode === "status"; // which shows all of it itself
  const touched = new Set();
  let source = null;
  let state = null;
  let failures = 0;
  let strangers = 0; // answers of a server that has no such page
  let timer = 0;
  let isAway = false;
  let offers = "";

  // ---- listening; a page that is not seen does not: browsers allow six connections to one address ----

  function connect() {
    clearTimeout(timer);
    if (source || document.hidden) return;
    source = new EventSource(`${base}/events?token=${encodeURIComponent(tag.dataset.token)}`);
    source.onmessage = (event) => take(JSON.parse(event.data));
    source.onerror = () => { disconnect(); ask(); };
  }

  function disconnect() {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
  }

  function later(call) {
    clearTimeout(timer);
    timer = setTimeout(call, Math.min(200 * 1.5 ** failures, 2000));
    failures += 1;
  }

  // The events have stopped: is the server away, another one, or the same?
  async function ask() {
    if (document.hidden) return;
    let run = null;
    try {
      const answer = await fetch(new URL("run", home), { cache: "no-store" });
      run = answer.ok ? (await answer.json()).run : "";
    } catch (error) {
      run = error instanceof SyntaxError ? "" : null;
    }
    if (run === seen.run) return later(connect);
    if (run === null || (!run && (strangers += 1) < 10)) { // nobody, or one who is about to end and knows of no page any more
      isAway = true;
      show();
      return later(ask);
    }
    isAway = false;
    refresh(`run ${run}`);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => event.persisted && connect());

  // ---- what a state means ----

  function take(next) {
    failures = strangers = 0;
    isAway = false;
    state = next;
    document.dispatchEvent(new CustomEvent("hotswap", { detail: next }));
    if (next.run !== seen.run) refresh(`run ${next.run}`);
    else if (next.code > seen.code && !isStatus) refresh(`${next.run} ${next.code}`);
    else if (next.styles > seen.styles) exchangeStyles();
    seen.styles = next.styles;
    show();
  }

  function refresh(what) {
    // A page out of a cache would say for ever that it is an old one: each state is a reason to load it once.
    if (remembered("hotswap-loaded") === what) return;
    if (!isStatus && (tag.dataset.method !== "GET" || isTypedIn())) {
      offers = what;
      show();
      return;
    }
    reload(what);
  }

  function reload(what) {
    remember("hotswap-loaded", what);
    disconnect();
    location.reload();
  }

  function exchangeStyles() {
    for (const old of document.querySelectorAll('link[rel~="stylesheet"][href]')) {
      const url = new URL(old.href);
      if (url.origin !== location.origin) continue;
      url.searchParams.set("hotswap", `${state.run}-${state.styles}`);
      const fresh = old.cloneNode();
      fresh.href = url.href;
      fresh.onload = fresh.onerror = () => old.remove(); // not before: the page would be bare for a moment
      old.after(fresh);
    }
  }

  // ---- what a person has typed is not thrown away ----

  addEventListener("input", (event) => event.isTrusted && touched.add(event.target), true);
  addEventListener("submit", () => touched.clear(), true);

  function isTypedIn() {
    return [...touched].some((field) => field.isConnected && (
      "checked" in field && /^(checkbox|radio)$/.test(field.type) ? field.checked !== field.defaultChecked
        : "defaultValue" in field ? field.value !== field.defaultValue
          : true));
  }

  function remembered(key) {
    try { return sessionStorage.getItem(key); } catch { return null; } // a sandboxed frame has none
  }

  function remember(key, value) {
    try { sessionStorage.setItem(key, value); } catch { /* then it is forgotten */ }
  }

  // ---- the message ----

  const sheet = new CSSStyleSheet(); // a <style> might not be allowed by the page's policy
  sheet.replaceSync(`
    :host { all: initial !important; position: fixed !important; z-index: 2147483647 !important; inset: auto 16px 16px auto !important;
      width: min(34rem, calc(100vw - 32px)) !important; display: block !important; color-scheme: light dark !important; }
    @media (max-width: 40rem) { :host { inset: auto 8px 8px 8px !important; width: auto !important; } }
    @media print { :host { display: none !important; } }
    * { box-sizing: border-box; }
    section { --ink: #1c2024; --dim: #5b6470; --paper: #fff; --line: #d9dee3; --mark: #b8471b; --soft: #f5f6f7; --link: #0b5cad;
      font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); background: var(--paper);
      border: 1px solid var(--line); border-left: 4px solid var(--mark); border-radius: 8px; padding: 12px 14px; max-height: 80vh;
      overflow: auto; overflow-wrap: anywhere; box-shadow: 0 6px 24px rgb(0 0 0 / .18); }
    section.calm { --mark: #2a6fb0; }
    @media (prefers-color-scheme: dark) {
      section { --ink: #e6e9ec; --dim: #9aa4af; --paper: #1d2126; --line: #353c44; --mark: #e8834f; --soft: #14171a; --link: #7db7f0;
        box-shadow: 0 6px 24px rgb(0 0 0 / .5); }
      section.calm { --mark: #6aa9e6; } }
    header { display: flex; gap: 8px; align-items: baseline; }
    h2 { font: inherit; font-weight: 650; margin: 0; flex: 1; }
    p { margin: 4px 0 0; }
    .where, code { font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--dim); }
    .next { color: var(--dim); }
    .next::before { content: "→ "; }
    article + article { border-top: 1px solid var(--line); margin-top: 10px; padding-top: 6px; }
    pre { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--soft); border-radius: 6px;
      padding: 8px 10px; margin: 8px 0 0; overflow: auto; max-height: 15em; white-space: pre; tab-size: 4; }
    section, pre { scrollbar-width: thin; }
    footer { display: flex; gap: 16px; margin-top: 8px; align-items: center; }
    a { color: var(--link); }
    button { font: inherit; color: inherit; background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
      padding: 3px 10px; min-height: 30px; cursor: pointer; }
    button.close { border: 0; background: none; font-size: 18px; line-height: 1; min-width: 30px; padding: 0; margin: -4px -6px -4px 0; }
    a:focus-visible, button:focus-visible, pre:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
  `);

  let host = null;
  let shown = "";

  function show() {
    const said = describe();
    const key = said ? JSON.stringify(said) : "";
    if (key === shown) return;
    shown = key;
    if (!said || remembered("hotswap-dismissed") === key) return hide();
    if (!host) {
      host = document.createElement("hotswap-message");
      host.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    }
    host.shadowRoot.replaceChildren(build(said, key));
    document.documentElement.append(host);
  }

  function hide() {
    if (host) host.remove();
  }

  function describe() {
    if (window.top !== window) return null; // in a frame: the page around it says it
    if (isAway) {
      const why = state && state.restarting;
      return { calm: true, title: why ? "Restarting" : "The server does not answer", text: why || "",
        next: "This page is loaded again when the server is back." };
    }
    if (state && state.restarting) {
      return { calm: true, title: "Restarting", text: state.restarting, next: "This page is loaded again when the server is back." };
    }
    if (state && state.held.length && !isStatus) return { held: state.held, more: state.more, offers };
    if (state && state.noticed.length && !isStatus) {
      const isWrong = state.noticed.some((item) => item.severity === "error");
      const title = isWrong ? "Live, but the program would not start with it" : "Live, and to be looked at";
      if (isWrong || !offers) return { title, held: state.noticed, more: state.more_noticed, offers };
    }
    if (offers) {
      const why = tag.dataset.method === "GET" ? "You have typed something in here" : "This page answers a form";
      return { calm: true, title: "The code has changed", text: `${why}, so it is not loaded again by itself.`, offers };
    }
    return null;
  }

  // Only text is put in: what comes from sources and exceptions is never read as HTML.
  function make(name, text, attributes) {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    return element;
  }

  function build(said, key) {
    const section = make("section", "", { class: said.calm ? "calm" : "", role: said.calm ? "status" : "alert" });
    const header = make("header");
    header.append(make("h2", said.title || "Not live: the last good code serves on"), dismissal(key));
    section.append(header);
    if (said.text) section.append(make("p", said.text));
    if (said.next) section.append(make("p", said.next, { class: "next" }));
    for (const item of said.held || []) section.append(describeFinding(item));
    if (said.more) section.append(make("p", `and ${said.more} more`));
    const footer = make("footer");
    if (said.offers) {
      const button = make("button", "Load again", { type: "button" });
      button.onclick = () => reload(said.offers);
      footer.append(button);
    }
    if (said.held) footer.append(make("a", "All about it", { href: home.href }));
    if (footer.children.length) section.append(footer);
    section.onkeydown = (event) => event.key === "Escape" && dismiss(key);
    return section;
  }

  function describeFinding(item) {
    const article = make("article");
    article.append(make("p", item.message));
    const where = make("p", [item.code, item.where].filter(Boolean).join(" · "), { class: "where" });
    article.append(where);
    if (item.excerpt) article.append(make("pre", item.excerpt, { tabindex: "0" }));
    if (item.next) article.append(make("p", item.next, { class: "next" }));
    return article;
  }

  function dismissal(key) {
    const button = make("button", "×", { type: "button", class: "close", "aria-label": "Dismiss", title: "Dismiss (Esc)" });
    button.onclick = () => dismiss(key);
    return button;
  }

  function dismiss(key) {
    remember("hotswap-dismissed", key);
    hide();
  }

  connect();
})();
