// Names for the controls that the theme and the extensions leave without one (or with one that is not what they show),
// the keyboard for what scrolls sideways, and no line that begins with a full stop.
(() => {
  const all = (selector) => document.querySelectorAll(selector);
  const label = (element, text) => element.setAttribute("aria-label", text);

  function name() {
    // Where a control shows words, the words are its name.
    all(".search-button-field[aria-label], summary[aria-label]").forEach((e) => e.removeAttribute("aria-label"));
    all(".theme-switch-button :is(i, svg)").forEach((e) => e.setAttribute("aria-hidden", "true"));
    all("button.copybtn").forEach((e) => label(e, "Copy the code"));
    all("button.toggle-button").forEach((e) => label(e, "Show or hide: " + e.parentElement.textContent.trim()));
    all("input.task-list-item-checkbox").forEach((e) => label(e, e.parentElement.textContent.trim()));
    const sidebar = document.getElementById("pst-primary-sidebar");
    if (sidebar) { sidebar.setAttribute("role", "region"); label(sidebar, "The book"); }
  }

  // On a phone a long line of code goes on in the next, with a mark: a block for each line (the style does the rest).
  function lines() {
    if (innerWidth > 600) return;
    all(".bd-article :is(.cell_input, [class*='highlight-']:not(.output)) pre:not(.in-lines)").forEach((pre) => {
      pre.innerHTML = pre.innerHTML.replace(/\n$/, "").split("\n").map((line) => `<span class="line">${line}\n</span>`).join("");
      pre.classList.add("in-lines");
    });
  }

  // A formula, a line of code or an output a little wider than the column is set smaller; what is much wider scrolls.
  function fit() {
    all("div.math > mjx-container, .bd-article pre").forEach((e) => {
      if (e.fitted === e.clientWidth) return;
      e.style.fontSize = "";
      const least = e.matches("pre") ? 0.8 : 0.6, ratio = e.clientWidth / e.scrollWidth;
      const size = parseFloat(getComputedStyle(e).fontSize) * Math.max(0.99 * ratio, least);
      if (e.clientWidth && ratio < 1) e.style.fontSize = `${size}px`;
      e.fitted = e.clientWidth;
    });
  }

  // What is wider than its box can be reached with the keyboard and fades out at the side where there is more.
  function scroll() {
    all("div.math > mjx-container, span.math, .bd-article pre, .drawing, .explore-frame, .pst-scrollable-table-container").forEach((e) => {
      const formula = e.matches("span.math") && e.querySelector("mjx-container");
      const hidden = (formula ? formula.offsetWidth : e.scrollWidth) - e.clientWidth;
      if (hidden > 2) e.tabIndex = 0; else e.removeAttribute("tabindex");
      const fade = () => e.classList.toggle("goes-on", e.tabIndex === 0 && e.scrollLeft < hidden - 2);
      e.onscroll = fade;
      fade();
    });
  }

  // A page opened from a disk may not read other pages, so the search shows titles without the lines around the words.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  // What only works on pages that come from a server (the book's own Python in the browser) shows on these alone.
  if (location.protocol !== "file:") document.documentElement.classList.add("served");

  window.addEventListener("load", async () => {
    all("button[data-print]").forEach((e) => e.addEventListener("click", () => window.print()));
    name();
    await window.MathJax?.startup?.promise;
    const settle = () => { lines(); fit(); scroll(); };
    settle();
    new ResizeObserver(settle).observe(document.querySelector("main")); // a window resized, a solution opened
  });
})();
