/** A certificate of a server on this machine, by the tool that every operator uses for one. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const OPENSSL = "openssl";

export type Certificate = {
  readonly certFile: string;
  readonly cert: string;
  readonly key: string;
};

/** For `localhost` and 127.0.0.1, signed by itself; null where the tool is missing. */
export function makeCertificate(folder: string): Certificate | null {
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const files = ["-keyout", keyFile, "-out", certFile];
  const { error } = spawnSync(
    OPENSSL,
    ["req", "-x509", ...curve, "-nodes", "-days", "1", ...names, ...files],
    { stdio: "ignore" },
  );
  if (error !== undefined) return null;
  return { certFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}
