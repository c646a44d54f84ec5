// A link within the book shows the equation, the theorem or the source that it leads to: pointed at, in focus, or at
// the first tap (the second follows it). Escape closes.
addEventListener("DOMContentLoaded", () => {
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  const links = document.querySelectorAll('.bd-article a.reference.internal[href*="#"]:not(.headerlink)');
  const box = document.createElement("div");
  let shown = null, later = 0;
  [box.className, box.id, box.hidden] = ["glance", "glance", true];
  box.setAttribute("role", "tooltip");

  // The statements lie in a file of their own, which is read when the first is wanted.
  let reading = null;
  function statements() {
    return (reading ??= new Promise((done) => {
      const script = document.createElement("script");
      script.src = new URL("_static/glances.js", root);
      script.onload = script.onerror = () => done(window.saelibGlances || {});
      document.head.append(script);
    }));
  }

  async function what(link) {
    if (link.title || link.dataset.told) return (link.dataset.told ||= link.title);
    const target = new URL(link.href), page = target.pathname.replace(root.pathname, "").replace(/\.html$/, "");
    return (await statements())[page]?.[decodeURIComponent(target.hash.slice(1))];
  }

  async function show(link) {
    clearTimeout(later);
    if (shown === link) return;
    hide();
    shown = link;
    const html = await what(link);
    if (!html || shown !== link) return;
    if (link.dataset.told) { box.textContent = html; link.removeAttribute("title"); } else box.innerHTML = html;
    document.body.append(box);
    box.hidden = false;
    await window.MathJax?.typesetPromise?.([box]);
    const at = link.getClientRects()[0], width = document.documentElement.clientWidth;
    const below = at.bottom + box.offsetHeight + 12 < innerHeight;
    box.style.left = `${scrollX + Math.max(8, Math.min(at.left, width - box.offsetWidth - 8))}px`;
    box.style.top = `${scrollY + (below ? at.bottom + 6 : at.top - box.offsetHeight - 6)}px`;
    link.setAttribute("aria-describedby", box.id);
  }

  function hide() {
    if (shown?.dataset.told) shown.title = shown.dataset.told;
    shown?.removeAttribute("aria-describedby");
    if (!box.hidden) window.MathJax?.typesetClear?.([box]);
    [shown, box.hidden] = [null, true];
  }
  const leave = () => { clearTimeout(later); later = setTimeout(hide, 250); };

  links.forEach((link) => {
    let touched = false;
    link.addEventListener("pointerenter", (e) => {
      clearTimeout(later);
      if (e.pointerType !== "touch") later = setTimeout(show, 200, link);
    });
    link.addEventListener("pointerleave", (e) => { if (e.pointerType !== "touch") leave(); });
    link.addEventListener("pointerdown", (e) => { touched = e.pointerType === "touch"; });
    link.addEventListener("focus", () => { if (link.matches(":focus-visible")) show(link); });
    link.addEventListener("blur", leave);
    link.addEventListener("click", async (e) => {
      if (!touched || shown === link) return hide();
      e.preventDefault();
      if (await what(link)) show(link); else location.href = link.href;
    });
  });
  box.addEventListener("pointerenter", () => clearTimeout(later));
  box.addEventListener("pointerleave", leave);
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (e) => { if (!box.contains(e.target) && !e.target.closest("a")) hide(); });
});
