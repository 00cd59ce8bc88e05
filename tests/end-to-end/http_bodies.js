// SPDX-License-Identifier: Apache-2.0
// http_bodies.py's server in Node, but for what drips: `http_bodies.js PORT NAME PATTERN`, the last a file.
"use strict";
const { createHash } = require("crypto");
const { createServer } = require("http");
const { Readable } = require("stream");

const [port, name, file] = process.argv.slice(2);
const pattern = require("fs").readFileSync(file);

function* pieces(size) {
  for (let index = 0; index < size; index += pattern.length) {
    const piece = Buffer.from(pattern);
    piece.writeBigUInt64BE(BigInt(index));
    yield piece.subarray(0, size - index);
  }
}

createServer((request, response) => {
  response.setHeader("X-Server", name);
  const [path, how] = request.url.split("?");
  if (request.method === "GET") {
    const size = Number(path.slice(1));
    if (how !== "chunked") {
      response.setHeader("Content-Length", size);
    }
    Readable.from(pieces(size)).pipe(response);
    return;
  }
  const digest = createHash("sha256");
  let total = 0;
  request.on("data", (data) => {
    digest.update(data);
    total += data.length;
  });
  request.on("end", () => response.end(`${digest.digest("hex")} ${total}\n`));
}).listen(Number(port));
