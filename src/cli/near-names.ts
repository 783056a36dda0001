/** Up to `count` of `names` that someone who wrote `wanted` may have meant, best first. */
export function nearNames(wanted: string, names: readonly string[], count: number): string[] {
  const lower = wanted.toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const name of names) {
    const other = name.toLowerCase();
    if (other.includes(lower)) scored.push({ name, score: (other.length - lower.length) / 1000 });
    else if (Math.abs(other.length - lower.length) <= MAX_DISTANCE) {
      const distance = editDistance(lower, other);
      if (distance <= MAX_DISTANCE) scored.push({ name, score: distance });
    }
  }
  return scored
    .sort((a, b) => a.score - b.score)
    .slice(0, count)
    .map(({ name }) => name);
}

const MAX_DISTANCE = 3;

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
