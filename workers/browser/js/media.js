// Plays media, muted, one after another from the top of the page down, and waits for what the browser fetches of it.
// Works for at most `budget` ms and says how each one stands; to be called again while `left` is set.
async (want) => {
  const began = performance.now();
  const late = () => performance.now() - began > want.budget;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const top = (el) => { const box = el.getBoundingClientRect(); return [box.top + window.scrollY, box.left]; };
  if (!mine.media) {
    const list = every('video, audio', 500).map((el) => ({ el, at: top(el) }));
    list.sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]);
    mine.found = list.length;
    mine.media = list.slice(0, want.max).map(({ el }) => ({ el, state: 'waits', ours: el.paused }));
  }
  const fetched = (el) => {
    let sum = 0;
    for (let i = 0; i < el.buffered.length; i++) sum += el.buffered.end(i) - el.buffered.start(i);
    return sum;
  };
  // enough is when all of it has come, or the browser wants no more of it for now.
  const ahead = (el) => {
    for (let i = 0; i < el.buffered.length; i++) {
      if (el.buffered.start(i) <= el.currentTime && el.currentTime <= el.buffered.end(i)) return el.buffered.end(i) - el.currentTime;
    }
    return 0;
  };
  const enough = (m) => (m.enough ||= m.el.ended || m.el.error !== null || (m.el.readyState >= 2 &&
    ((Number.isFinite(m.el.duration) && fetched(m.el) >= m.el.duration - 0.1) || m.el.networkState === 1 || ahead(m.el) >= want.ahead)));
  for (const m of mine.media) {
    if (late()) break;
    if (m.state !== 'waits') continue;
    m.el.muted = true;
    m.el.scrollIntoView({ block: 'center', behavior: 'instant' });
    m.state = 'starts';
    m.since = performance.now();
    m.el.play().then(() => { m.state = 'plays'; }, (err) => { m.state = 'fails'; m.why = err.name; });
    // A player that starts is given a moment to ask, in the order of the page.
    for (let i = 0; i < 10 && m.state === 'starts' && !late(); i++) await pause(20);
  }
  // sourceless players wait for somebody who never comes.
  const sourceless = (m) => m.state === 'starts' && performance.now() - m.since > 500 && !m.el.currentSrc && !m.el.src && !m.el.srcObject && !m.el.querySelector('source');
  const open = () => mine.media.filter((m) => { if (sourceless(m)) m.state = 'empty'; else if (m.state === 'starts' && performance.now() - m.since > want.start) m.state = 'stuck'; return true; }).filter((m) => m.state === 'waits' || m.state === 'starts' || (m.state === 'plays' && !enough(m)));
  while (open().length && !late()) await pause(50);
  const left = open().length > 0;
  if (!left || want.last) {
    for (const m of mine.media) if (m.ours && (m.state === 'plays' || m.state === 'starts' || m.state === 'stuck')) m.el.pause();
  }
  const seconds = (s) => Number.isFinite(s) ? Math.round(s * 10) / 10 : -1;
  return {
    left, found: mine.found,
    media: mine.media.map((m) => ({ kind: m.el.localName, state: m.state, why: m.why || '', duration: seconds(m.el.duration), fetched: seconds(fetched(m.el)) })),
  };
}
