// Fetches the page anew every two seconds and takes over what has changed. Everything is drawn by the server; without
// this script the page shows what was so when it was loaded.
(() => {
  "use strict";
  const EVERY_MS = 2000;
  const FIRST_MS = 1100; // after which there are rates
  const pause = document.getElementById("pause");
  const lost = document.getElementById("lost");
  let paused = false;
  let timer = 0;
  let searches = 0;

  const fetchPage = async (query) => {
    const url = new URL(location.pathname + query, location.origin);
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // The focus stays where it is: on the element, or on the link that has come in its place.
  const replace = (old, fresh) => {
    if (!old || !fresh || old.innerHTML === fresh.innerHTML) {
      return;
    }
    const focused = old.contains(document.activeElement) && old !== document.activeElement;
    const href = focused ? document.activeElement.getAttribute("href") : null;
    old.replaceChildren(...fresh.childNodes);
    if (href) {
      [...old.querySelectorAll("a")].find((a) => a.getAttribute("href") === href)?.focus();
    }
  };

  const refresh = async () => {
    try {
      const page = await fetchPage("");
      for (const fresh of page.querySelectorAll("[data-live]")) {
        replace(document.getElementById(fresh.id), fresh);
      }
      document.title = page.title;
      lost.hidden = true;
      lost.textContent = "";
    } catch (error) {
      if (lost.hidden) {
        lost.textContent = `No answer since ${new Date().toISOString().slice(11, 19)} UTC (${error.message}); the figures are from before.`;
        lost.hidden = false;
      }
    }
  };

  const again = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (!document.hidden) {
        await refresh();
      }
      if (!paused) {
        again(EVERY_MS);
      }
    }, ms);
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) {
      clearTimeout(timer);
    } else {
      again(0);
    }
  });

  const search = async (query) => {
    const number = ++searches;
    const result = document.getElementById("customer");
    let page;
    try {
      page = await fetchPage(query);
    } catch (error) {
      result.textContent = `No answer (${error.message}).`;
      return;
    }
    if (number === searches) {
      result.replaceChildren(...(page.getElementById("customer")?.childNodes ?? []));
      document.getElementById("customer-id").value = new URLSearchParams(query).get("customer") ?? "";
    }
  };

  const follow = (query) => {
    history.pushState(null, "", query);
    search(query);
  };

  document.addEventListener("submit", (event) => {
    if (event.target.matches("#search")) {
      event.preventDefault();
      follow(`?${new URLSearchParams(new FormData(event.target))}`);
    }
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#alerts a");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      follow(link.getAttribute("href"));
      document.getElementById("search").scrollIntoView({ block: "nearest" });
    }
  });

  addEventListener("popstate", () => {
    if (document.getElementById("search")) {
      search(location.search);
    }
  });

  again(FIRST_MS);
})();
