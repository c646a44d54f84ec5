// Formulas are set some at a time, from the screen downwards, so that a page can be read and scrolled meanwhile.
(() => {
  const SOME = 24;

  async function setAll() {
    const formulas = [...document.querySelectorAll(".math")], isAhead = new Set();
    for (const formula of formulas) if (formula.getBoundingClientRect().bottom >= 0) isAhead.add(formula);
    const order = [...isAhead, ...formulas.filter((formula) => !isAhead.has(formula))];
    for (let i = 0; i < order.length; i += SOME) {
      await MathJax.typesetPromise(order.slice(i, i + SOME));
      await new Promise((resolve) => setTimeout(resolve));
    }
    await MathJax.typesetPromise(); // what is not marked as a formula
  }

  if (window.MathJax) window.MathJax.startup = {...window.MathJax.startup, pageReady: setAll};
})();
