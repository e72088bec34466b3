/** Of an even number of values, the middle of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** So many values are smaller, as a share of all; rounded. NaN among them is larger than all. */
export function partOf(values: readonly number[], share: number): string {
  const sorted = values.map((it) => (Number.isNaN(it) ? Infinity : it)).toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN).toFixed(0);
}
