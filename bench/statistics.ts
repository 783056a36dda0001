/** What a report tells of a list of samples. */
export interface Summary {
  readonly median: number;
  readonly best: number;
  /** Distance between the quartiles, as a fraction of the median. */
  readonly spread: number;
}

/** Above this spread of the native samples, the machine was too busy for its ratios to mean much. */
export const NOISY_SPREAD = 0.15;

export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  return {
    median,
    best: sorted[0]!,
    spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median,
  };
}

/** Linear between the two samples around it. */
function quantile(sorted: readonly number[], fraction: number): number {
  const at = (sorted.length - 1) * fraction;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
