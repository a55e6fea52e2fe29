// Looks for the signs of a log-in, or of its end, in the document that is shown.
(check) => {
  const invalid = [];
  const has = (selector, name) => {
    if (!selector) return false;
    try { return document.querySelector(selector) !== null; } catch { invalid.push(name); return false; }
  };
  const text = document.body ? document.body.innerText : '';
  const shows = (want) => !!want && text.includes(want);
  const out = has(check.loggedOutSelector, 'loggedOut.selector') ? 'selector' : shows(check.loggedOutText) ? 'text' : '';
  const inside = has(check.loggedInSelector, 'loggedIn.selector') || shows(check.loggedInText);
  return {
    html: /^(text\/html|application\/xhtml\+xml)$/.test(document.contentType),
    loggedOut: out, loggedIn: inside || invalid.includes('loggedIn.selector'), invalid: invalid.join(', '),
  };
}
