# SPDX-License-Identifier: Apache-2.0
"""A server of bodies: `http_bodies.py PORT NAME`, until it is killed. http_bodies.js is the same in Node.

GET /SIZE: so many bytes, the same each time; with ?chunked in chunks; with ?drip each byte by itself, a millisecond apart, its
head too. Any other method: the SHA-256 of what came, and how much that was. Each response says who gave it.
"""

import hashlib
import http.server
import random
import sys
import time

PIECE = 1 << 20
# What is told apart by its place, so that what is lost, doubled or out of order changes the sum.
PATTERN = random.Random(2).randbytes(PIECE)


def pieces(size):
    """The body of this size, a piece at a time."""
    for index in range(0, size, PIECE):
        yield (index.to_bytes(8, "big") + PATTERN[8:])[:size - index]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        path, _, how = self.path.partition("?")
        size = int(path[1:])
        head = f"HTTP/1.1 200 OK\r\nX-Server: {NAME}\r\n" + \
            ("Transfer-Encoding: chunked\r\n\r\n" if how == "chunked" else f"Content-Length: {size}\r\n\r\n")
        if how == "drip":
            for byte in head.encode() + b"".join(pieces(size)):
                self.wfile.write(bytes([byte]))
                time.sleep(0.001)
            return
        self.wfile.write(head.encode())
        for piece in pieces(size):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if how == "chunked" else piece)
        if how == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def do_PUT(self):
        digest, total = hashlib.sha256(), 0
        for data in self.body():
            digest.update(data)
            total += len(data)
        answer = f"{digest.hexdigest()} {total}\n".encode()
        self.send_response(200)
        self.send_header("X-Server", NAME)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield from self.bytes(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield from self.bytes(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def bytes(self, size):
        while size:
            data = self.rfile.read(min(size, PIECE))
            if not data:
                raise ConnectionError("the body ended early")
            size -= len(data)
            yield data

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, address):
        print(address, sys.exc_info()[1], flush=True)


if __name__ == "__main__":
    NAME = sys.argv[2]
    Server(("", int(sys.argv[1])), Handler).serve_forever()
