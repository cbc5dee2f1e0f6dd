import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRelaySource, readRelayAnswer } from "../../../../src/adapters/p2p/relaySources.ts";
import { encodeEnr } from "../../../../src/crypto/enr.ts";
import { MAX_DIALLED_ADDRESSES } from "../../../../src/domain/limits.ts";
import { secretKeyOf } from "../../../support/identities.ts";

const ID = "16Uiu2HAkvZBZH6WModJV4gAykgS9DjEmraZ7vBEnkLUxSwju2y17";
const OTHER = "16Uiu2HAmJ13wYRBaPN4NmFJDhSxLFtYRkiAy99YthKpamG5fQ8cd";
const at = (host: string, id = ID): string => `/ip4/${host}/tcp/3610/p2p/${id}`;

// NET-13
test("a relay is a URL or a TCP multiaddr with the peer id, not over another relay", () => {
  for (const text of ["https://relay.example", "http://127.0.0.1:3640/enr", at("1.2.3.4")]) {
    assert.equal(parseRelaySource(text)?.text, text);
  }
  assert.equal(parseRelaySource(`/dns4/relay.example/tcp/3610/p2p/${ID}`)?.kind, "address");
  for (const text of [
    "",
    "relay.example",
    "ftp://relay.example",
    "/ip4/1.2.3.4/tcp/3610",
    `/ip4/1.2.3.4/udp/3610/quic-v1/p2p/${ID}`,
    `${at("1.2.3.4")}/p2p-circuit/p2p/${OTHER}`,
    "/ip4/1.2.3.4/tcp/3610/p2p/nobody",
    `/ip4/1.2.3.999/tcp/3610/p2p/${ID}`,
  ]) {
    assert.equal(parseRelaySource(text), null, text);
  }
});

const read = (text: string): readonly string[] => readRelayAnswer(text).map(String);

test("an answer is a JSON list of one relay's addresses, or its ENR", () => {
  const quic = `/ip4/1.2.3.4/udp/3610/quic-v1/p2p/${ID}`;
  const list = [at("1.2.3.4"), quic, at("5.6.7.8", OTHER), at("10.0.0.1"), 7, null];
  assert.deepEqual(read(JSON.stringify(list)), [at("1.2.3.4"), at("10.0.0.1")]);
  const extra = new Map([
    ["ip", Uint8Array.of(198, 51, 100, 7)],
    ["tcp", Uint8Array.of(0x0e, 0x1a)],
  ]);
  const enr = encodeEnr({ secretKey: secretKeyOf(1), extra });
  assert.deepEqual(read(`${enr}\n`), [at("198.51.100.7")]);
});

test("what is no answer names no relay, and a long one is cut", () => {
  const bare = encodeEnr({ secretKey: secretKeyOf(1) });
  for (const text of ["", "no", "{}", "[]", "null", '{"a":[1]}', "enr:abc", bare, "[[]]"]) {
    assert.deepEqual(read(text), [], text);
  }
  const many = JSON.stringify(Array.from({ length: 99 }, (_, i) => at(`10.0.0.${i}`)));
  assert.equal(read(many).length, MAX_DIALLED_ADDRESSES);
});
