declare const brand: unique symbol;

/** A nominal type: a `T` that only a value checked under `Name` may be assigned to. */
export type Brand<T, Name extends string> = T & {
  readonly [brand]: { readonly [K in Name]: true };
};
