declare const brand: unique symbol

/** A value of `T` that only one parser makes, so that a seq is never taken for a count, nor one digest for another. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
