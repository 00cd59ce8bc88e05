# SPDX-License-Identifier: Apache-2.0
"""Clients and servers that die at any byte, in order or by a reset: no part of a request is taken for a request, none of a response
for a response, and nothing of them is left."""

import collections
import concurrent.futures
import itertools
import re
import socket
import struct
import threading

import http_origin
import lab

PATIENCE = 10
WAYS = ("close", "reset")
BODY = b"0123456789abcdef"
RESPONSES = {"length": b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY,
             "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\nX: y\r\n\r\n",
             "close": b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + BODY}
REQUESTS = {"length": b"PUT /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n" + BODY,
            "chunks": b"PUT /cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\nX: y\r\n\r\n"}


def end(connection, way):
    if way == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def die(connection):
    """A server: so much of a response as the request says, and no more."""
    head = b""
    while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
        head += data
    if head:
        framing, way, count = re.match(rb"GET /(\w+)/(\w+)/(\d+) ", head).groups()
        connection.sendall(RESPONSES[framing.decode()][:int(count)])
        end(connection, way.decode())


def listen(port, serve):
    with server.entered():
        listener = socket.create_server(("", port), backlog=128)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def connect(address):
    with client.entered():
        return socket.create_connection((address, 80), PATIENCE)


def read(connection):
    """@returns what came, and whether it ended in order"""
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
        return answer, True
    except ConnectionResetError:
        return answer, False


def understood(answer, in_order):
    """(status, body) as a client takes it, or nothing: it knows that this is no whole response."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return None
    status = int(head.split()[1])
    if length := http_origin.field(head + b"\r\n", rb"content-length"):
        return (status, body) if len(body) == int(length[0]) else None
    if http_origin.field(head + b"\r\n", rb"transfer-encoding"):
        whole = http_origin.chunked(body, 0)
        return (status, whole[0]) if whole else None
    return (status, body) if in_order else None


def server_dies(case):
    framing, way, count = case
    with connect("10.96.0.10") as connection:
        connection.sendall(f"GET /{framing}/{way}/{count} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        taken = understood(*read(connection))
    response = RESPONSES[framing]
    head = response.index(b"\r\n\r\n") + 4
    if count < head:
        assert taken and taken[0] == 502, (case, taken)
        return "502"
    if framing == "close" and way == "close":
        assert taken == (200, response[head:count]), (case, taken)
        return "ended by closing"
    assert taken is None or taken[0] == 502, (case, taken)
    return "cut short" if taken is None else "502"


def client_dies(case):
    framing, way, count = case
    connection = connect("10.96.0.11")
    connection.sendall(REQUESTS[framing][:count])
    if way == "close":
        connection.shutdown(socket.SHUT_WR)
        taken = understood(*read(connection))
        connection.close()
        assert (taken[0] == 400) if taken else count == 0, (case, taken)  # who said nothing is told nothing
        return "400" if taken else "closed"
    end(connection, way)
    return "reset"


def at_every_byte(call, messages):
    cases = [(name, way, count) for (name, message), way in itertools.product(messages.items(), WAYS) for count in range(len(message))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return len(cases), dict(collections.Counter(pool.map(call, cases)))


lab.enter()
mesh = lab.Lab()
client, server = mesh.pod("client", "10.1.0.1"), mesh.pod("server", "10.1.0.10")
listen(9000, die)
with server.entered():
    origin = http_origin.Origin(socket.create_server(("", 9001), backlog=128))
for number, port in enumerate((9000, 9001)):
    mesh.put(f"web-{number}.yaml", mesh.service(f"web-{number}", f"10.96.0.{10 + number}", app_protocol="http"),
             mesh.slice(f"web-{number}", [server], port))
mesh.configure(workers={"cores": [0, 1]}, snat={"addresses": ["10.9.0.1"]}, tcp={"time_wait_s": 1})
mesh.start_weftd()

print("servers that die, at each of %d bytes: %s" % at_every_byte(server_dies, RESPONSES))
print("clients that die, at each of %d bytes: %s" % at_every_byte(client_dies, REQUESTS))
with connect("10.96.0.11") as connection:
    connection.sendall(b"GET /whole HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert understood(*read(connection)) == (200, b"")
assert [request.target for request in origin.take()] == ["/whole"], "a part of a request was taken for one"
assert not origin.unclear, origin.unclear


def all_gone():
    """Of what is left each is a connection to the origin that waits for the next request."""
    shown = mesh.ctl("show", "http")["workers"]
    waiting = sum(row["parked"] for row in shown)
    return all(row["exchanges"] == row["clients"] == 0 for row in shown) and \
        waiting == sum(row["upstreams"] for row in shown) == mesh.tcp("connections")


lab.wait_until("all of it is gone", all_gone)
mesh.check_books()
assert mesh.weftd.stop() == 0
