// What the settle rule and the behaviours need to know about the document. Runs in
// a world of its own, where the page's changes to built-ins do not reach.
() => {
  const refresh = document.querySelector('meta[http-equiv="refresh" i]');
  const found = {
    scripted: document.scripts.length > 0 || window.length > 0,
    lazy: document.querySelector('img[loading="lazy" i], iframe[loading="lazy" i]') !== null,
    refresh: refresh ? parseFloat(refresh.content) || 0 : -1,
    huge: document.getElementsByTagName('*').length > huge,
  };
  if (found.huge) return found; // to look through it would hold the page up
  const over = document.body ? overlays().map((el) => [el, wordsOf(el)]) : [];
  const frames = [];
  let framed = false;
  for (const el of document.querySelectorAll(consentFrames)) {
    if (visible(el) && frames.length < 20) { frames.push(el.src); framed = true; }
  }
  for (const el of document.querySelectorAll(playerFrames)) if (frames.length < 20) frames.push(el.src);
  const gate = over.some(([el, words]) => isAgeGate(el, words)) || agePage();
  return {
    ...found,
    media: every('video, audio', 1).length > 0,
    expand: folds(1).length > 0 || toggles(1).length > 0 || mores(1).length > 0,
    consent: framed || over.some(([el, words]) => isConsent(el, words)) || [...document.querySelectorAll(knownRoots)].some((el) => el.shadowRoot || visible(el)),
    age: gate,
    frames,
  };
}
