// Opens what is folded up and clicks what there is more behind: each fold and toggle once, each button again as long as
// the page grows. One round; `left` says that a further one may find something.
(want) => {
  const began = performance.now();
  const late = () => performance.now() - began > want.budget;
  const done = { details: 0, toggles: 0, more: 0, left: false, moved: false };
  const back = () => { if (navigation.currentEntry?.index > mine.index) history.back(); };
  if (mine.path !== undefined && mine.path !== location.pathname) {
    // A script of the page has gone elsewhere after the last round.
    back();
    done.moved = true;
    return done;
  }
  mine.path = location.pathname;
  mine.index = navigation.currentEntry?.index;
  const clicks = () => done.toggles + done.more;
  for (const el of folds(want.folds)) {
    if (late()) { done.left = true; break; }
    mine.clicked.set(el, { times: 1 });
    el.open = true;
    done.details++;
  }
  const click = (el, kind) => {
    if (clicks() >= want.clicks || late()) { done.left = true; return false; }
    press(el);
    done[kind]++;
    if (location.pathname === mine.path) return true;
    back();
    done.moved = true;
    return false;
  };
  for (const el of toggles(want.clicks + 1)) {
    mine.clicked.set(el, { times: 1 });
    if (!click(el, 'toggles')) break;
  }
  if (done.moved) return done;
  const list = mores(50);
  for (const el of list) {
    const before = mine.clicked.get(el);
    // A button that changed nothing the last time is left alone.
    if (before && (before.size === undefined || before.size >= size())) continue;
    mine.clicked.set(el, { times: (before?.times ?? 0) + 1, size: size() });
    if (!click(el, 'more')) break;
  }
  done.left ||= done.more > 0 || done.toggles > 0 || done.details > 0;
  return done;
}
