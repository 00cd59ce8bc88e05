# SPDX-License-Identifier: Apache-2.0
"""What people run, on both sides of weft: curl, wrk, hey, h2load, Python and a WebSocket client before it, nginx, Python, Node
and a WebSocket server behind it. Bodies from nothing to a gigabyte arrive unchanged both ways; who sends or reads slowly holds up
nobody, and neither does who is killed midway."""

import collections
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import re
import socket
import threading

import http_bodies
import lab

HERE = lab.pathlib.Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: it has Debian's websockets
SIZES = (0, 1, 1447, 65536, (5 << 20) + 1)
GIGABYTE = 1 << 30
PATIENCE = 30  # seconds without a byte

WEBSOCKETS = r"""
import asyncio, sys, websockets
async def echo(socket):
    if socket.path == "/refuses":
        return await socket.close(4001, "not you")
    async for message in socket:
        await socket.send(message)
async def serve():
    async with websockets.serve(echo, "", 8083, max_size=None, ping_interval=None):
        await asyncio.Future()
async def talk(number):
    async with websockets.connect("ws://10.96.0.14/chat", max_size=None, ping_interval=None) as socket:
        for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
            for message in ("x" * size, bytes([number]) * size):
                await socket.send(message)
                assert await socket.recv() == message, size
        await (await socket.ping())
    assert socket.close_code == 1000, socket.close_code
async def main():
    await asyncio.gather(*(talk(number) for number in range(20)))
    async with websockets.connect("ws://10.96.0.14/refuses") as socket:
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            assert (closed.code, closed.reason) == (4001, "not you"), closed
            print("20 talks")
asyncio.run(serve() if sys.argv[1] == "serve" else asyncio.wait_for(main(), 30))
"""


class Connection(http.client.HTTPConnection):
    """A connection from the client's pod."""

    def __init__(self, service, receive_buffer=None):
        super().__init__(f"10.96.0.{SERVICES[service]}", timeout=PATIENCE)
        with client.entered():
            self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(PATIENCE)
        self.sock.connect((self.host, self.port))

    def get(self, path):
        self.request("GET", path)
        return self.getresponse()


def digest(pieces):
    sum, total = hashlib.sha256(), 0
    for piece in pieces:
        sum.update(piece)
        total += len(piece)
    return f"{sum.hexdigest()} {total}"


def received(response):
    assert response.status == 200, (response.status, response.read())
    return digest(iter(lambda: response.read(1 << 18), b""))


def download(connection, size, how):
    assert received(connection.get(f"/{size}{how}")) == digest(http_bodies.pieces(size)), (size, how)


def upload(connection, size, chunked):
    headers = {} if chunked else {"Content-Length": str(size)}
    connection.request("PUT", "/", http_bodies.pieces(size), headers, encode_chunked=chunked)
    response = connection.getresponse()
    said = response.read().decode().strip()
    assert response.status == 200 and said == digest(http_bodies.pieces(size)), (size, chunked, response.status, said)


def all_sizes(service):
    """Over one connection: each body ends where it should."""
    with contextlib.closing(Connection(service)) as connection:
        for size in SIZES:
            for how in ("", "?chunked"):
                download(connection, size, how)
            for chunked in (False, True):
                upload(connection, size, chunked)


class Bystander:
    """One who goes on asking, while something else is going on, and is never disappointed."""

    def __enter__(self):
        self.answers, self.done = collections.Counter(), threading.Event()
        self.thread = concurrent.futures.ThreadPoolExecutor(1)
        self.outcome = self.thread.submit(self.ask)
        return self

    def ask(self):
        with contextlib.closing(Connection("nginx")) as connection:
            while not self.done.is_set():
                response = connection.get("/")
                response.read()
                self.answers[response.status] += 1

    def __exit__(self, *error):
        self.done.set()
        self.outcome.result(PATIENCE)
        assert self.answers.keys() == {200}, self.answers
        self.thread.shutdown()


@contextlib.contextmanager
def failures(*expected):
    """Of the requests within, weft tells of exactly these that did not end as they should: (service, method, flags)."""
    log = mesh.folder / f"failures-{expected[0][0]}"
    process = lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, "--json", "access", "failed"], log)
    lab.wait_until("it is told", lambda: log.read_text().endswith("\n"))
    yield

    def told():
        rows = [json.loads(line) for line in log.read_text().splitlines()[1:]]
        return [(row["service"].removeprefix("default/"), row["method"], row["flags"]) for row in rows]
    lab.wait_until("all are told of", lambda: len(told()) >= len(expected))
    assert sorted(told()) == sorted(expected), log.read_text()
    process.kill()


def connections(pod, port):
    return pod.run("ss", "-tnH", "state", "established", f"sport = :{port}").count("\n")


def together(*calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        for call in [pool.submit(*call) for call in calls]:
            call.result(120)


lab.enter()
mesh = lab.Lab()
(mesh.folder / "pattern").write_bytes(http_bodies.PATTERN)
lab.write(mesh.folder / "chat.py", WEBSOCKETS)
client = mesh.pod("client", "10.1.0.1")
nginx, python, other, node, chat = (mesh.pod(name, f"10.1.0.{11 + i}")
                                    for i, name in enumerate(("nginx", "python", "other", "node", "chat")))
nginx.serve_http()
servers = {pod: pod.start("python3", HERE / "http_bodies.py", 8081, pod.name) for pod in (python, other)}
node.start("node", HERE / "http_bodies.js", 8082, "node", mesh.folder / "pattern")
chat.start(SYSTEM_PYTHON, mesh.folder / "chat.py", "serve")
BACKENDS = {"nginx": ([nginx], 8080), "python": ([python], 8081), "node": ([node], 8082), "two": ([python, other], 8081),
            "chat": ([chat], 8083)}
SERVICES = {name: 10 + number for number, name in enumerate(BACKENDS)}


def service(name, pods=None):
    return (mesh.service(name, f"10.96.0.{SERVICES[name]}", app_protocol="kubernetes.io/ws" if name == "chat" else "http"),
            mesh.slice(name, pods or BACKENDS[name][0], BACKENDS[name][1]))


for name, (pods, port) in BACKENDS.items():
    mesh.put(f"{name}.yaml", *service(name))
    for pod in pods:
        lab.wait_until(f"{pod.name} listens", lambda: pod.run("ss", "-ltnH", f"sport = :{port}"))
mesh.configure(workers={"cores": [0, 1]}, snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()


def curls():
    def curl(*words):
        return client.run("curl", "-sS", "-m", "30", "--fail", *words)
    url, said = "http://10.96.0.11", digest(http_bodies.pieces(1 << 20))
    (mesh.folder / "sent").write_bytes(b"".join(http_bodies.pieces(1 << 20)))
    for words in ((), ("--http1.0",), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue"), ("-X", "POST")):
        assert curl(*words, "-T", mesh.folder / "sent", f"{url}/") == said + "\n", words
    curl("-o", mesh.folder / "got", f"{url}/{1 << 20}")
    assert (mesh.folder / "got").read_bytes() == (mesh.folder / "sent").read_bytes()
    assert curl("-r", "0-3", "http://10.96.0.10/") == "ngin"
    assert "200 OK" in curl("-I", "http://10.96.0.10/stream")
    page = mesh.folder / "nginx-nginx" / "www" / "index.html"  # its date
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-z", page, "http://10.96.0.10/") == "304"
    return "curl: bodies by length, in chunks, over HTTP/1.0 and after 100 (Continue); a range, a HEAD, a 304"


def loads():
    """Of the three that people measure with: none of their requests fails."""
    url = "http://10.96.0.10/"
    wrk = client.start("wrk", "-t", 1, "-c", 16, "-d", "2s", url)
    closing = client.start("wrk", "-t", 1, "-c", 4, "-d", "2s", "-H", "Connection: close", url)
    hey = client.start("hey", "-n", 2000, "-c", 10, url)
    h2load = client.start("h2load", "--h1", "-t", 1, "-n", 2000, "-c", 10, "-m", 1, url)
    for process in (wrk, closing, hey, h2load):
        assert process.popen.wait(60) == 0, process.log.read_text()
    said = {process: process.log.read_text() for process in (wrk, closing, hey, h2load)}
    counts = []
    for process in (wrk, closing):
        assert "Socket errors" not in said[process] and "Non-2xx" not in said[process], said[process]
        counts.append(int(re.search(r"(\d+) requests in", said[process])[1]))
        assert counts[-1] > 100
    assert re.findall(r"\[(\d+)\]\s+(\d+) responses", said[hey]) == [("200", "2000")] and "Error" not in said[hey], said[hey]
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said[h2load], said[h2load]
    return f"wrk: {counts[0]} requests; a connection each: {counts[1]}; hey, h2load --h1: 2000 each"


def slow():
    def sends_bytes():
        with contextlib.closing(Connection("python")) as connection:
            for byte in b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"x" * 100:
                connection.sock.send(bytes([byte]))
            answer = b""
            while b"\n " not in answer and not answer.endswith(b"100\n"):
                answer += connection.sock.recv(4096)
            assert answer.endswith(f"{hashlib.sha256(b'x' * 100).hexdigest()} 100\n".encode()), answer

    def reads_bytes():
        with contextlib.closing(Connection("python", receive_buffer=2048)) as connection:
            response = connection.get(f"/{1 << 20}")
            assert digest(iter(lambda: response.read(200), b"")) == digest(http_bodies.pieces(1 << 20))

    def is_dripped_on():
        with contextlib.closing(Connection("python")) as connection:
            download(connection, 1000, "?drip")

    with Bystander() as bystander:
        together(*[(call,) for call in (sends_bytes, reads_bytes, is_dripped_on) * 8])
    return f"slow clients and servers, 8 of each kind: {bystander.answers[200]} requests of a bystander beside them"


def stuck():
    """Clients that ask for much and read nothing: their servers stop, and weft holds no more than the windows of both sides."""
    before = mesh.tcp("pieces")
    with Bystander() as bystander, contextlib.ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(contextlib.closing(Connection("python", receive_buffer=4096)))
            connection.request("GET", f"/{GIGABYTE}")
        pieces = [0]
        # Until no more comes in: what a stuck client pins is as much as it ever will be.
        lab.wait_until("their windows are closed",
                       lambda: (pieces.append(mesh.tcp("pieces")), len(pieces) > 20 and pieces[-1] > before and len(set(pieces[-20:])) == 1)[1], 20)
    held = pieces[-1] - before
    lab.wait_until("what they held is free", lambda: mesh.tcp("pieces") < before + held / 4)
    return f"8 clients that read nothing: {held} segments held; {bystander.answers[200]} requests of a bystander beside them"


def killed_clients():
    """Their servers are told: of weft's connections there is none that was not there before, to wait for a request."""
    before = {pod: connections(pod, port) for pod, port in ((python, 8081), (node, 8082))}
    expected = [("python", "GET", "DC"), ("node", "PUT", "DC")] * 6
    with Bystander() as bystander, failures(*expected):
        got = [mesh.folder / f"got-{number}" for number in range(len(expected) // 2)]
        curls = [client.start("curl", "-sS", "--limit-rate", "10m", "-o", file, f"http://10.96.0.11/{GIGABYTE}") for file in got]
        curls += [client.start("curl", "-sS", "--limit-rate", "10m", "-T", "/dev/zero", "http://10.96.0.12/") for _ in got]
        lab.wait_until("downloads flow", lambda: all(file.exists() and file.stat().st_size > 0 for file in got))
        lab.wait_until("uploads flow", lambda: len(re.findall(r"bytes_acked:\d{5}", client.run("ss", "-tniH", "dst 10.96.0.12"))) == len(got))
        for curl in curls:
            curl.kill()
        for pod, port in ((python, 8081), (node, 8082)):
            lab.wait_until(f"{pod.name} is told", lambda: connections(pod, port) <= before[pod])
        lab.wait_until("python noticed", lambda: servers[python].log.read_text().count("\n") >= len(got))
    for file in got:
        file.unlink()
    return f"{len(curls)} clients killed midway: {bystander.answers[200]} requests of a bystander beside them"


def killed_server():
    """Those whose server dies midway are told, those of the other one notice nothing, and who comes next gets the other one."""
    def downloads():
        with contextlib.closing(Connection("two")) as connection:
            response = connection.get(f"/{48 << 20}")
            name = response.headers["X-Server"]
            names.append(name)
            begun.release()
            go_on.wait(PATIENCE)
            try:
                assert received(response) == digest(http_bodies.pieces(48 << 20)), name
                return name, True
            except (ConnectionError, http.client.IncompleteRead):
                return name, False
    begun, go_on = threading.Semaphore(0), threading.Event()
    names = []
    with Bystander() as bystander, concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = [pool.submit(downloads) for _ in range(8)]
        for _ in outcomes:
            assert begun.acquire(timeout=PATIENCE)
        with failures(*[("two", "GET", "UC")] * names.count("other")):
            servers[other].kill()
            go_on.set()
            outcomes = collections.Counter(outcome.result(60) for outcome in outcomes)
            # Nobody has seen these before: weft finds the one that is left.
            for _ in range(20):
                with contextlib.closing(Connection("two")) as connection:
                    download(connection, 1000, "")
    assert set(outcomes) == {("python", True), ("other", False)}, outcomes
    return f"a server killed midway: {dict(outcomes)}; {bystander.answers[200]} requests of a bystander beside it"


def gigabyte(way, service, how):
    with contextlib.closing(Connection(service)) as connection:
        way(connection, GIGABYTE, how)


together((all_sizes, "python"), (all_sizes, "node"))
print(f"bodies of {SIZES} bytes both ways, by length and in chunks: Python's and Node's server", flush=True)
for part in (curls, loads, slow, stuck, killed_clients, killed_server):
    print(part(), flush=True)
assert client.run(SYSTEM_PYTHON, mesh.folder / "chat.py", "talk") == "20 talks\n"
print("WebSocket: 20 at once, messages of 0 to 1048576 bytes, pings, closing by either side", flush=True)
together((gigabyte, download, "node", "?chunked"), (gigabyte, upload, "python", False))
print("a gigabyte each way, unchanged", flush=True)
mesh.check_books()
assert mesh.weftd.stop() == 0
