/** How often a function or loop is interpreted before it is translated, where nobody says otherwise. */
export const DEFAULT_HOT = 2048;
