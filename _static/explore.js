// Explorable figures (saelib/book/explore.py): the frames came with the page, here the one that is asked for is shown.
(() => {
  function enliven(figure) {
    const find = (selector) => [...figure.querySelectorAll(selector)];
    const frames = find("template");
    const settings = find(".explore-setting").map((element) => ({
      element, inputs: [...element.querySelectorAll("input")], words: JSON.parse(element.dataset.words),
    }));
    const [stage] = find(".explore-frame"), [says] = find(".explore-says span"), [play] = find("[data-play]");
    const position = ({inputs}) => Number((inputs.find((input) => input.checked) ?? inputs[0]).value);
    const number = () => settings.reduce((sum, setting) => sum * setting.words.length + position(setting), 0);
    let shown = number(), timer = null;

    function show() {
      const frame = frames[number()];
      if (frame === frames[shown]) return;
      shown = number();
      const picture = frame.content.firstElementChild.cloneNode(true);
      picture.setAttribute(picture.localName === "img" ? "alt" : "aria-label", figure.dataset.alt + " " + frame.dataset.says);
      stage.replaceChildren(picture);
      const now = settings.map((setting) => {
        const word = setting.words[position(setting)], [value] = setting.element.querySelectorAll(".explore-value");
        if (value) {
          value.textContent = word;
          setting.inputs[0].setAttribute("aria-valuetext", word);
        }
        return (setting.element.querySelector("legend, label").textContent + " " + word).trim();
      });
      // A listener hears the setting; a reader sees it beside the slider.
      const heard = document.createElement("span");
      heard.className = "explore-heard";
      heard.textContent = now.join(", ") + ". ";
      says.replaceChildren(heard, frame.dataset.says);
    }

    function step(by) {
      const [slider] = settings[0].inputs, before = slider.value;
      slider.value = Number(before) + by; // the browser keeps it within its range
      show();
      return slider.value !== before;
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      if (play) play.textContent = "Play";
    }

    function start() {
      if (!step(1)) step(-frames.length); // from the end to the beginning
      timer = setInterval(() => step(1) || stop(), 1000 * Number(play.dataset.play));
      play.textContent = "Pause";
    }

    // The frame that stands in the page belongs to the others.
    frames[shown].content.append(stage.firstElementChild.cloneNode(true));
    // Room for the longest sentence, so that nothing below moves.
    const room = document.createElement("span");
    room.className = "explore-room";
    room.setAttribute("aria-hidden", "true");
    room.textContent = frames.map((frame) => frame.dataset.says).reduce((a, b) => (b.length > a.length ? b : a));
    says.after(room);

    figure.addEventListener("input", () => { stop(); show(); });
    find("[data-step]").forEach((button) => button.addEventListener("click", () => {
      stop();
      step(Number(button.dataset.step));
    }));
    play?.addEventListener("click", () => (timer ? stop() : start()));
    find(".explore-controls")[0].hidden = false;
  }

  const all = () => document.querySelectorAll("figure.explore").forEach(enliven);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all); else all();
})();
