import { createServer } from "node:http";

/*
 * The floor: node:http alone. It parses the JSON body of every request and answers with one of the size of an encrypt reply.
 * `GET /metrics` says what processor time it has used, under the name that the daemon has for it.
 */
const ciphertext = Buffer.alloc(160, 7).toString("base64");

const server = createServer((request, response) => {
  if (request.method === "GET") {
    const { user, system } = process.cpuUsage();
    response.end(`claviger_process_cpu_seconds_total ${(user + system) / 1e6}\n`);
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { plaintext } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { plaintext: string };
    const body = JSON.stringify({ ciphertext, keyId: plaintext.slice(0, 36), keyVersion: 1 });
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  });
});

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address) console.log(`serves on http://127.0.0.1:${address.port}`);
});
