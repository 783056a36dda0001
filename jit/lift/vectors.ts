/** Exception vectors of `Lifter.raise`, as the processor numbers them. */
export const VECTOR_DE = 0;
export const VECTOR_BP = 3;
export const VECTOR_UD = 6;
export const VECTOR_GP = 13;
/** Ours: an instruction that the translator has no entry for; the machine reports it by name. */
export const VECTOR_UNIMPLEMENTED = 254;
