/** Binding a server to its address; what can go wrong is told with the flag that changes it. */
import type { Server } from "node:http";
import type { Server as TlsServer } from "node:https";
import { UsageError } from "../../domain/errors.ts";

export type ListenAddress = {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Option that sets the address, without dashes; its name also says what listens there. */
  readonly option: string;
};

/** The bound port. Throws UsageError when the address cannot be bound. */
export async function listen(server: Server | TlsServer, address: ListenAddress): Promise<number> {
  const { host, port, option } = address;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const problem = LISTEN_PROBLEMS[error.code ?? ""] ?? error.message;
      reject(
        new UsageError(`the ${option.replaceAll("-", " ")} ${host}:${port} ${problem}`, {
          fix: `choose another with --${option}`,
          cause: error,
        }),
      );
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : port;
}

/** Ends the connections that are open, too. */
export function close(server: Server | TlsServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use, perhaps by another node",
  EADDRNOTAVAIL: "belongs to no network interface of this machine",
  EACCES: "needs more rights than this user has",
  ENOTFOUND: "names an unknown host",
};
