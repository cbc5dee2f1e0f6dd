/**
 * Exact variants of the SSZ library's types. It reads uint64 as a JavaScript number, which rounds
 * above 2^53 in SSZ and throws in JSON; where a value must survive whatever it is, the same
 * container is rebuilt with bigint in that place. Derived, never written by hand, so that the
 * fields cannot drift (ETH-3).
 */
import {
  type BasicType,
  type BitArray,
  type CompositeTypeAny,
  ContainerType,
  isBasicType,
  isCompositeType,
  ListBasicType,
  ListCompositeType,
  ProgressiveContainerType,
  ProgressiveListBasicType,
  ProgressiveListCompositeType,
  type Type,
  UintBigintType,
  UintNumberType,
  type ValueOf,
  VectorBasicType,
  VectorCompositeType,
} from "@chainsafe/ssz";

/** The value of a type once each of its numbers is a bigint. */
export type ExactValue<V> = V extends number
  ? bigint
  : V extends Uint8Array | BitArray | string | boolean | bigint | null
    ? V
    : { [K in keyof V]: ExactValue<V[K]> };

const derived = new WeakMap<object, Type<unknown>>();

/** `type` with each number of its value as a bigint; same bytes, same JSON, same roots. */
export function exact<T extends Type<unknown>>(type: T): Type<ExactValue<ValueOf<T>>> {
  return derive(type) as Type<ExactValue<ValueOf<T>>>;
}

function derive(type: Type<unknown>): Type<unknown> {
  const known = derived.get(type);
  if (known !== undefined) return known;
  const built = build(type);
  derived.set(type, built);
  return built;
}

function build(type: Type<unknown>): Type<unknown> {
  if (type instanceof UintNumberType) return new UintBigintType(type.byteLength);
  if (type instanceof ProgressiveContainerType) {
    return new ProgressiveContainerType(deriveFields(type.fields), type.activeFields, type.opts);
  }
  if (type instanceof ContainerType) return new ContainerType(deriveFields(type.fields), type.opts);
  if (type instanceof ListBasicType) return new ListBasicType(basic(type.elementType), type.limit);
  if (type instanceof ListCompositeType) {
    return new ListCompositeType(composite(type.elementType), type.limit);
  }
  if (type instanceof VectorBasicType) {
    return new VectorBasicType(basic(type.elementType), type.length);
  }
  if (type instanceof VectorCompositeType) {
    return new VectorCompositeType(composite(type.elementType), type.length);
  }
  if (type instanceof ProgressiveListBasicType) {
    return new ProgressiveListBasicType(basic(type.elementType));
  }
  if (type instanceof ProgressiveListCompositeType) {
    return new ProgressiveListCompositeType(composite(type.elementType));
  }
  return type;
}

function deriveFields(fields: Record<string, Type<unknown>>): Record<string, Type<unknown>> {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, derive(type)]));
}

function basic(type: Type<unknown>): BasicType<unknown> {
  const element = derive(type);
  if (!isBasicType(element)) throw new TypeError(`${type.typeName} lost its kind`);
  return element;
}

function composite(type: Type<unknown>): CompositeTypeAny {
  const element = derive(type);
  if (!isCompositeType(element)) throw new TypeError(`${type.typeName} lost its kind`);
  return element;
}
