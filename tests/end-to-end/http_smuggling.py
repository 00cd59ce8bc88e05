# SPDX-License-Identifier: Apache-2.0
"""weft, nginx, haproxy and Apache httpd as proxies, each given every stream of tests/http/requests.txt with one more request behind
it, each in front of an origin that keeps the requests that it was sent. weft forwards nothing of which two of the others would
find a request's end in different places, and what it forwards is for all of them what it is for weft: as the client sent it, and
as weft wrote it. What is to be refused is refused with the status that the corpus says, and the connection closed."""

import collections
import concurrent.futures
import contextlib
import itertools
import re
import socket

import http_origin
import lab

CORPUS = lab.ROOT / "tests/http/requests.txt"
MARKER = "GET /marker-{} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
QUIET, PATIENCE = 0.5, 10  # seconds without a byte, after which a client says that it has no more to say; and is given up

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; client_max_body_size 0;
  server {{ listen {port}; location / {{
    proxy_pass http://10.1.0.20:{origin}; proxy_http_version 1.1; proxy_request_buffering off; proxy_ignore_client_abort on;
  }} }}
}}"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  http-reuse never
listen l
  bind :{port}
  server origin 10.1.0.20:{origin}
"""
APACHE = """
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ServerName apache
ServerRoot {folder}
User www-data
Group www-data
PidFile {folder}/pid
ErrorLog {folder}/error.log
StartServers 1
Listen {port}
AllowEncodedSlashes NoDecode
ProxyPass / http://10.1.0.20:{origin}/ nocanon disablereuse=On
"""
PEERS = {"nginx": (NGINX, 8001, ["nginx", "-e", "{folder}/error.log", "-c", "{file}"]),
         "haproxy": (HAPROXY, 8002, ["haproxy", "-db", "-f", "{file}"]),
         "apache": (APACHE, 8003, ["apache2", "-D", "FOREGROUND", "-f", "{file}"])}

# What is asked of the server as a whole, httpd answers itself: there is nothing to compare.
OF_THE_SERVER = re.compile(rb"OPTIONS (\*|http://[^/ ]+) ")


def corpus():
    """(class, verdict, stream): the format is that of tests/http/requests.cc."""
    escapes = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
    section = ""
    for line in CORPUS.read_text().splitlines():
        if line.startswith("# "):
            section = line[2:].split(" (")[0]
        elif line:
            verdict, text = line.split(" ", 1)
            stream = b""
            for found in re.finditer(r"\\x(..)|\\\*(\d+)(.)|\\(.)|([^\\]+)", text):
                code, count, repeated, escape, plain = found.groups()
                stream += (bytes([int(code, 16)]) if code else repeated.encode() * int(count) if count else
                           escapes[escape] if escape else plain.encode("latin1"))
            yield section, verdict, stream


class Asked:
    """A proxy, given one stream: the requests that its origin had of it, and the statuses that its client had."""

    def __init__(self, requests, answer, waited):
        self.requests = requests
        self.waited = waited  # for more, when all had been sent
        self.statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]

    def frames(self):
        """A request with its body, one after another; one that does not end is nobody else's that does."""
        return [(request.method, request.body) for request in self.requests] + ["endless"] * self.waited


class Proxy:
    def __init__(self, client, address, origin):
        self.client, self.address, self.origin = client, address, origin

    def ask(self, stream):
        self.origin.take()
        with self.client.entered():
            connection = socket.create_connection(self.address, PATIENCE)
        answer, ended = b"", None
        with connection:
            # A proxy may be done before it has read all.
            with contextlib.suppress(ConnectionError):
                connection.sendall(stream)
            connection.settimeout(QUIET)
            while True:
                try:
                    data = connection.recv(65536)
                except TimeoutError:
                    assert ended is None, f"{self.address} does not close: {stream[:300]}, answered {answer}"
                    ended = len(self.origin.requests)
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(PATIENCE)
                    continue
                except ConnectionError:
                    break
                if not data:
                    break
                answer += data
        requests = self.origin.take()
        return Asked(requests, answer, ended == len(requests))

    def ask_all(self, streams):
        return [self.ask(stream) for stream in streams]


def at_odds(peers):
    """How many requests there are before the first that two of them end differently, or none: they do not. A peer that is done
    with a connection says nothing of what comes then."""
    for index, readings in enumerate(itertools.zip_longest(*(peer.frames() for peer in peers))):
        if len(set(filter(None, readings))) > 1:
            return index
    return None


lab.enter()
mesh = lab.Lab()
client, peers, origins = mesh.pod("client", "10.1.0.1"), mesh.pod("peers", "10.1.0.10"), mesh.pod("origins", "10.1.0.20")


def origin(port):
    with origins.entered():
        return http_origin.Origin(socket.create_server(("", port)))


proxies = {"weft": Proxy(client, ("10.96.0.10", 80), origin(9000))}
for name, (config, port, command) in PEERS.items():
    folder = mesh.folder / name
    folder.mkdir()
    lab.write(folder / "config", config.format(folder=folder, port=port, origin=port + 1000))
    peers.start(*(word.format(folder=folder, file=folder / "config") for word in command))
    lab.wait_until(f"{name} listens", lambda: peers.run("ss", "-ltnH", f"sport = :{port}"))
    proxies[name] = Proxy(client, (peers.address, port), origin(port + 1000))
mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="http"), mesh.slice("web", [origins], 9000))
mesh.configure(snat={"addresses": ["10.9.0.1"]}, workers={"cores": [0], "idle": {"sleep_us": 10}})
mesh.start_weftd()

samples = list(corpus())
assert len(samples) >= 200
streams = [stream + MARKER.format(number).encode() for number, (_, _, stream) in enumerate(samples)]
with concurrent.futures.ThreadPoolExecutor() as pool:
    asked = dict(zip(proxies, pool.map(lambda proxy: proxy.ask_all(streams), proxies.values())))
    # What weft wrote, given to the others as if they were its endpoints.
    forwarded = [request for ask in asked["weft"] for request in ask.requests if request.method != "CONNECT"]
    written = [request.raw + MARKER.format("written").encode() for request in forwarded]
    again = list(zip(*pool.map(lambda name: proxies[name].ask_all(written), PEERS)))

wrong = []
tallies = collections.defaultdict(collections.Counter)
for number, (section, verdict, stream) in enumerate(samples):
    weft, *others = (asked[name][number] for name in proxies if name != "apache" or not OF_THE_SERVER.match(stream))
    tally = tallies[section]
    tally["streams"] += 1
    for name in proxies:
        tally[f"{name} refused"] += not asked[name][number].requests
    said = {name: (asked[name][number].frames(), asked[name][number].statuses) for name in proxies}
    odd = at_odds(others)
    tally["read differently"] += odd is not None
    if odd is not None and len(weft.requests) > odd:
        wrong.append(f"the others disagree, and weft forwards it: {stream[:400]} {said}")
    for other in others:
        if at_odds([weft, other]) is not None:
            wrong.append(f"weft reads another request: {stream[:400]} {said}")
    if verdict == "ok":
        tally["accepted"] += 1
    elif weft.requests or weft.statuses[-1:] != [400 if verdict == "body" else int(verdict)]:
        wrong.append(f"weft is to refuse it with {verdict}: {stream[:400]} {said}")
for request, readings in zip(forwarded, again):
    for name, reading in zip(PEERS, readings):
        if name == "apache" and OF_THE_SERVER.match(request.raw):
            continue
        if reading.requests and reading.frames()[0] != (request.method, request.body):
            wrong.append(f"{name} reads what weft wrote differently: {request.raw[:400]} {reading.frames()}")
        if reading.requests and len(reading.requests) > 1 and not reading.requests[1].target.endswith("/marker-written"):
            wrong.append(f"{name} finds a request in what weft wrote: {request.raw[:400]} {reading.frames()}")

for section, tally in tallies.items():
    print(f"{section}: {tally['streams']} streams, forwarded nothing of: " +
          ", ".join(f"{name} {tally[f'{name} refused']}" for name in proxies) +
          f"; {tally['read differently']} that two peers read differently")
print(f"{len(forwarded)} requests as weft wrote them: " +
      ", ".join(f"{name} takes {sum(bool(readings[i].requests) for readings in again)}" for i, name in enumerate(PEERS)))
assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong])
assert not proxies["weft"].origin.unclear, proxies["weft"].origin.unclear
# The comparison compares something: all of them forward, and there is something to disagree about.
assert len(forwarded) > 100 and sum(tally["read differently"] for tally in tallies.values()) > 0
for i, name in enumerate(PEERS):
    assert sum(bool(readings[i].requests) for readings in again) > len(forwarded) / 2, f"{name} takes nothing that weft wrote"
mesh.check_books()
assert mesh.weftd.stop() == 0
