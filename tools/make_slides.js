// Slides for reveal.js, from the sections that make_slides.py has written: once the formulas are set, what is too high for
// one slide goes on on a next one, and what is too large by itself is set smaller.
(() => {
  const WIDTH = 1280, HEIGHT = 720;
  const blocks = (slide) => [...slide.children].filter((e) => !e.matches("h1, h2, h3, h4, h5, h6, aside"));
  const high = (slide) => slide.offsetHeight > HEIGHT;

  // A figure's width does not tell how wide its drawing is, nor that of an equation how wide its formula.
  const wide = (block) =>
    [block, ...block.querySelectorAll("mjx-container[display], pre, .drawing, .pst-scrollable-table-container")].some(
      (e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1);

  function shrink(block, needed) {
    for (let size = 95; needed() && size >= 50; size -= 5) block.style.zoom = size / 100;
  }

  function spread(slide) {
    blocks(slide).forEach((block) => shrink(block, () => wide(block)));
    const next = document.createElement("section");
    while (high(slide) && blocks(slide).length > 1) next.prepend(blocks(slide).at(-1));
    if (high(slide)) shrink(blocks(slide)[0], () => high(slide));
    if (!next.hasChildNodes()) return;
    next.prepend(slide.firstElementChild.cloneNode(true)); // the heading
    next.append(slide.lastElementChild.cloneNode(true)); // the notes
    slide.after(next);
    spread(next);
  }

  async function start() {
    await window.MathJax?.startup.promise;
    await Promise.all([...document.fonts].map((font) => font.load()));
    // The window with the notes has no style for MathJax: there the browser sets the formulas itself.
    document.querySelectorAll("aside mjx-container").forEach((e) => e.replaceWith(e.querySelector("math")));
    document.querySelectorAll(".slides > section").forEach(spread);
    await Reveal.initialize({
      width: WIDTH, height: HEIGHT, margin: 0, center: false, hash: true, slideNumber: "c/t", transition: "none", plugins: [RevealNotes],
    });
  }
  start();
})();
