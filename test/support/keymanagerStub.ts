/** A validator client's keymanager API: takes keystores with the right token, or as it is told. */
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificate.ts";

type Import = { readonly keystores: readonly string[]; readonly passwords: readonly string[] };

export class KeymanagerStub {
  /** What it imported, request by request. */
  readonly imports: Import[] = [];
  /** Everything that was asked, wrong tokens included. */
  requests = 0;
  /** What it says of the keystores of a request, by their number in it; imported where absent. */
  answer: (keystore: number) => { readonly status: string; readonly message?: string } = () => ({
    status: "imported",
  });
  readonly #server;
  readonly #token: string;
  readonly #scheme: string;

  /** Over https with a certificate, else over http. */
  constructor(token: string, certificate: Certificate | null = null) {
    this.#token = token;
    const listener: RequestListener = (request, response) => {
      this.requests++;
      let body = "";
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on("end", () => {
        if (request.headers.authorization !== `Bearer ${this.#token}`) {
          response.writeHead(401).end("{}");
          return;
        }
        response.end(JSON.stringify({ data: request.method === "GET" ? [] : this.#take(body) }));
      });
    };
    this.#server =
      certificate === null ? createServer(listener) : createTlsServer(certificate, listener);
    this.#scheme = certificate === null ? "http" : "https";
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #take(body: string): readonly object[] {
    const request = JSON.parse(body) as Import;
    this.imports.push(request);
    return request.keystores.map((_, i) => this.answer(i));
  }
}
