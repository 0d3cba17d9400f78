// The status page, live: its content is fetched anew with each state, and forms are sent without leaving the page.
"use strict";
(() => {
  const main = document.querySelector("main");
  const said = document.querySelector("#said");
  const tag = document.querySelector("script[data-token]");
  const base = new URL(tag.src).origin;
  document.documentElement.classList.add("live");
  let isFetching = false;
  let isStale = false;

  // A content that is not newer is left alone: somebody may be about to press a button of it.
  document.addEventListener("hotswap", (event) => {
    if (String(event.detail.number) !== main.querySelector("#state").dataset.number) fetchAnew();
  });

  async function fetchAnew() {
    isStale = true;
    if (isFetching) return; // what is being fetched is older than this state, so it is fetched once more
    isFetching = true;
    while (isStale) {
      isStale = false;
      try {
        const answer = await fetch(`${base}/part?token=${encodeURIComponent(tag.dataset.token)}`, { cache: "no-store" });
        if (answer.ok) exchange(await answer.text());
      } catch {
        break; // the server is away: the next state asks again
      }
    }
    isFetching = false;
  }

  const chosen = new Map(); // what a person has folded or unfolded
  main.addEventListener("click", (event) => {
    const details = event.target.closest("summary") && event.target.closest("details");
    if (details) chosen.set(details.id, !details.open);
  });

  function exchange(html) {
    const focused = document.activeElement && main.contains(document.activeElement) ? document.activeElement.id : "";
    main.innerHTML = html; // escaped by its template, and the page's policy lets no script of it run
    for (const each of main.querySelectorAll("details[id]")) {
      if (chosen.has(each.id)) each.open = chosen.get(each.id);
    }
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
    document.title = main.querySelector("#state").dataset.title;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    event.preventDefault();
    const button = event.submitter;
    if (button) button.disabled = true;
    say("…", true);
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" },
      });
      const result = answer.headers.get("Content-Type").startsWith("application/json") ? await answer.json()
        : { done: false, said: await answer.text() };
      say(result.said, result.done);
    } catch {
      say("The server does not answer.", false);
    }
    if (button) button.disabled = false;
    fetchAnew();
  });

  function say(text, isGood) {
    said.textContent = text;
    said.hidden = false;
    said.className = isGood ? "good" : "bad";
  }
})();
