/** A request the chain refuses, with the HTTP status a beacon node would answer. */
export class ChainRejection extends Error {
  override readonly name = "ChainRejection";
  readonly statusCode: 400 | 404;

  constructor(statusCode: 400 | 404, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

export function refuse(message: string): never {
  throw new ChainRejection(400, message);
}

export function notFound(what: string): never {
  throw new ChainRejection(404, `${what} not found`);
}
