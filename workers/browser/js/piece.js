// Gives one piece of a string that extract.js kept, never splitting a
// surrogate pair.
(name, from, size) => {
  const s = globalThis.crawlfleetKept[name];
  let to = Math.min(from + size, s.length);
  if (to < s.length && (s.charCodeAt(to - 1) & 0xfc00) === 0xd800) to++;
  return { piece: s.slice(from, to), next: to };
}
