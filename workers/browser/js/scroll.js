// Scrolls down to the end of what is there, one window's height a frame, and
// says where it got to. It gives back control after at most `budget` ms. `owed` says that
// the frame was not drawn in which the page would have noticed the last step.
async (budget, owed) => {
  const root = document.scrollingElement || document.documentElement;
  if (!root) return { height: 0, content: 0, end: true, steps: 0, drawn: true };
  const began = performance.now();
  // A page notices in its frames where it is: on a busy machine they take their time.
  const frame = () => new Promise((done) => {
    const t = setTimeout(done, 300, false);
    requestAnimationFrame(() => { clearTimeout(t); setTimeout(done, 0, true); });
  });
  let steps = 0;
  let drawn = true;
  const atEnd = () => window.scrollY + window.innerHeight >= root.scrollHeight - 2;
  while (!atEnd() && performance.now() - began < budget) {
    window.scrollBy({ top: window.innerHeight, behavior: 'instant' });
    steps++;
    await frame();
  }
  if (steps > 0 || owed) { // what has come into view is asked for one frame later
    await frame();
    drawn = await frame();
  }
  // What does not fill the window yet grows without the page's height.
  const content = document.body ? Math.round(document.body.getBoundingClientRect().height) : 0;
  return { height: root.scrollHeight, content, end: atEnd(), steps, drawn };
}
