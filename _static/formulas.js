// Formulas are set some at a time, those on the screen first, so that a page can be read and scrolled meanwhile.
(() => {
  const SOME = 24;

  async function setAll() {
    const formulas = [...document.querySelectorAll(".math")].map((formula) => ({formula, box: formula.getBoundingClientRect()}));
    const chosen = (test) => formulas.filter(({box}) => test(box)).map(({formula}) => formula);
    const seen = chosen((box) => box.bottom >= 0 && box.top <= innerHeight);
    const rest = [...chosen((box) => box.top > innerHeight), ...chosen((box) => box.bottom < 0)];
    await MathJax.typesetPromise(seen);
    for (let i = 0; i < rest.length; i += SOME) {
      await new Promise((resolve) => setTimeout(resolve));
      await MathJax.typesetPromise(rest.slice(i, i + SOME));
    }
    await MathJax.typesetPromise(); // what is not marked as a formula
  }

  if (window.MathJax) window.MathJax.startup = {...window.MathJax.startup, pageReady: setAll};
})();
