import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { WholeBodyRequest } from "./whole-body.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Answers with `whole` or `stream`, by which way the body came, and the body. */
async function serving() {
  const seen: string[] = [];
  const answer = (response: ServerResponse, body: string): void => {
    seen.push(body);
    response.end(body);
  };
  const server = createServer({ IncomingMessage: WholeBodyRequest }, (request, response) => {
    request.on("aborted", () => seen.push("aborted"));
    if (request.url === "/whole")
      request.takeBody(Number(request.headers["content-length"]), (body) => {
        if (body.toString() !== "silent") answer(response, `whole ${body.toString()}`);
      });
    else
      void text(request).then(
        (body) => answer(response, `stream ${body}`),
        () => undefined,
      );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  let received = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (received += chunk));
  const replies = () => [...received.matchAll(/(?:whole|stream) [a-z]*\d?/g)].map(([reply]) => reply);
  return { server, socket, seen, replies, [Symbol.dispose]: () => (socket.destroy(), server.close()) };
}

const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

test("gives a body that comes in pieces once it is whole", async () => {
  using served = await serving();
  const request = post("/whole", "abcdef");
  for (const [from, to] of [
    [0, -6],
    [-6, -4],
    [-4, -1],
  ] as const) {
    served.socket.write(request.slice(from, to));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(served.seen).toEqual([]);
  served.socket.write("f");
  await expect.poll(served.replies).toEqual(["whole abcdef"]);
});

test("serves both ways one after the other, and several that were sent at once, on one connection", async () => {
  using served = await serving();
  const paths = ["/whole", "/whole", "/stream", "/whole", "/stream", "/stream", "/whole"];
  served.socket.write(paths.map((path, i) => post(path, `${i}`)).join(""));
  const expected = paths.map((path, i) => `${path.slice(1)} ${i}`);
  await expect.poll(served.replies).toEqual(expected);
  for (const [i, path] of paths.entries()) {
    served.socket.write(post(path, `${i}`));
    await expect.poll(() => served.replies().length).toBe(expected.length + i + 1);
  }
  expect(served.replies()).toEqual([...expected, ...expected]);
});

test("gives nothing of a body that ends early", async () => {
  using served = await serving();
  served.socket.write(post("/whole", "abcdef").slice(0, -1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  served.socket.destroy();
  await expect.poll(() => served.seen).toEqual(["aborted"]);
});

test("a caller who goes before the reply is noticed as with a stream", async () => {
  using served = await serving();
  served.socket.write(post("/whole", "silent"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  served.socket.destroy();
  await expect.poll(() => served.seen).toEqual(["aborted"]);
  await expect
    .poll(() => new Promise((resolve) => served.server.getConnections((_, n) => resolve(n))))
    .toBe(0);
});

test("keeps no request of a connection once it was replied to", async () => {
  using served = await serving();
  const refs: WeakRef<object>[] = [];
  served.server.prependListener("request", (request) => refs.push(new WeakRef(request)));
  for (let i = 1; i <= 20; i += 1) {
    served.socket.write(post("/whole", `${i}`));
    await expect.poll(() => served.replies().length, { interval: 1 }).toBe(i);
  }
  await expect
    .poll(() => {
      collectGarbage();
      return refs.filter((ref) => ref.deref()).length;
    })
    .toBeLessThanOrEqual(1);
});
