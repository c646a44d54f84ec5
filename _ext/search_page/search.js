// Ranks the sections of the book for a query; the index is made by _ext/section_search.py, the page is Sphinx's.
(() => {
  const WORD = /[\p{L}\p{N}]+(?:[/'’-][\p{L}\p{N}]+)*/gu;
  const SATURATION = 1.2, LENGTH = 0.6, HEADING = 3, WHOLE_HEADING = 3, PART = 0.4;

  function wordsOf(text) {
    const stemmer = new Stemmer(), stem = (word) => stemmer.stemWord(word);
    return (text.toLowerCase().replace(/rho[ _-]?hat/g, "rhohat").match(WORD) || []).map((word) => {
      const parts = word.split(/[/'’-]/);
      return {whole: stem(word), parts: parts.length > 1 ? parts.map(stem) : []};
    });
  }

  // How much each section has to do with a word: BM25, and more for a title that has it.
  function weigh(index, word, mean) {
    const at = new Map(), count = index.sections.length, parts = [];
    if (index.words[word]) parts.push([word, 1]);
    else if (word.length > 2)
      for (const other of Object.keys(index.words)) if (other.startsWith(word)) parts.push([other, PART]);
    for (const [other, share] of parts) {
      const found = index.words[other], rare = Math.log(1 + count / (found.length / 2));
      for (let k = 0; k < found.length; k += 2) {
        const [, , , weight, length, heading] = index.sections[found[k]], often = found[k + 1];
        const text = (often * (1 + SATURATION)) / (often + SATURATION * (1 - LENGTH + (LENGTH * length) / mean));
        const title = heading.includes(other) ? HEADING / Math.sqrt(heading.length) : 0;
        const score = share * weight * rare * (text + title);
        at.set(found[k], Math.max(score, at.get(found[k]) || 0));
      }
    }
    return at;
  }

  function ranked(index, query) {
    const asked = wordsOf(query), mean = index.sections.reduce((sum, one) => sum + one[4], 1) / index.sections.length;
    const scores = new Map(), matched = new Map();
    for (const {whole, parts} of asked) {
      let weights = weigh(index, whole, mean);
      if (!weights.size)
        for (const part of parts) for (const [k, w] of weigh(index, part, mean)) weights.set(k, (weights.get(k) || 0) + w);
      for (const [k, weight] of weights) {
        scores.set(k, (scores.get(k) || 0) + weight);
        matched.set(k, (matched.get(k) || 0) + 1);
      }
    }
    const results = [];
    for (const [k, score] of scores) {
      const [page, anchor, title, , , heading] = index.sections[k];
      const all = asked.every(({whole}) => heading.includes(whole));
      const share = matched.get(k) / asked.length;
      results.push([page, title, anchor, null, score * share * share * (all ? WHOLE_HEADING : 1), page]);
    }
    return results.sort((a, b) => a[4] - b[4]).slice(-40);
  }

  Search._performSearch = (query) => {
    document.getElementById("search-progress")?.replaceChildren();
    return ranked(window.SECTIONS, query);
  };
})();
