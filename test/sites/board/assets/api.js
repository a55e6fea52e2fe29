// Asks the board's JSON API.
export async function api(path) {
  const answer = await fetch('/api/' + path, { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
