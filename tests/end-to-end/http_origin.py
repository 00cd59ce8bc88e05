# SPDX-License-Identifier: Apache-2.0
"""A server of HTTP/1.1 that keeps what it was sent: whole requests, as bytes and as it reads them, which is the one way in which
nobody could read them differently. Threads of the test's own process; a body as far as it came is no request."""

import dataclasses
import re
import socket
import threading

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NO_TUNNELS = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"


class Unclear(Exception):
    """Two readers may disagree about this."""


@dataclasses.dataclass
class Request:
    method: str
    target: str
    body: bytes
    raw: bytes


def field(head, name):
    return [value.strip() for value in re.findall(rb"(?im)^" + name + rb":(.*?)\r$", head)]


def chunked(stream, at):
    """@returns the body and where it ends, or nothing: it is not whole"""
    body = b""
    while True:
        line = re.compile(rb"([0-9a-fA-F]{1,16})(?:;[^\r\n\0]*)?\r\n").match(stream, at)
        if not line:
            if re.compile(rb"[0-9a-fA-F]{0,16}(?:;[^\r\n\0]*)?\r?$").match(stream, at):
                return None
            raise Unclear(f"a chunk's size: {stream[at:at + 40]}")
        at, size = line.end(), int(line[1], 16)
        if size == 0:
            break
        if len(stream) < at + size + 2:
            return None
        if stream[at + size:at + size + 2] != b"\r\n":
            raise Unclear(f"a chunk's end: {stream[at + size:at + size + 40]}")
        body, at = body + stream[at:at + size], at + size + 2
    while True:  # trailers
        end = stream.find(b"\r\n", at)
        if end < 0:
            return None
        if end == at:
            return body, end + 2
        if not re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*$", stream[at:end]):
            raise Unclear(f"a trailer: {stream[at:end]}")
        at = end + 2


def first(stream):
    """@returns the first request, or nothing: it is not whole"""
    end = stream.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = stream[:end + 2]
    line = re.match(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ \r\n\t]+) HTTP/1\.[01]\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)*$", head)
    if not line:
        raise Unclear(f"a head: {head}")
    lengths, codings = field(head, rb"content-length"), field(head, rb"transfer-encoding")
    body, at = b"", end + 4
    if codings:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise Unclear(f"what frames a body: {head}")
        whole = chunked(stream, at)
        if whole is None:
            return None
        body, at = whole
    elif lengths:
        if len(lengths) > 1 or not re.match(rb"[0-9]+$", lengths[0]):
            raise Unclear(f"what frames a body: {head}")
        size = int(lengths[0])
        if len(stream) < at + size:
            return None
        body, at = stream[at:at + size], at + size
    return Request(line[1].decode(), line[2].decode("latin1"), body, stream[:at])


class Origin:
    """@param listener a socket that listens"""

    def __init__(self, listener):
        self.listener = listener
        self.requests, self.unclear = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = b""
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while data := connection.recv(65536):
                    stream += data
                    while request := first(stream):
                        stream = stream[len(request.raw):]
                        self.requests.append(request)
                        connection.sendall(NO_TUNNELS if request.method == "CONNECT" else ANSWER)
                    if b"\r\n\r\n" in stream and field(stream, rb"expect"):
                        connection.sendall(CONTINUE)
            except Unclear as error:
                self.unclear.append(str(error))
            except OSError:
                pass  # a proxy may end it as it likes

    def take(self):
        """What came since it was last asked."""
        taken, self.requests = self.requests, []
        return taken
