# SPDX-License-Identifier: Apache-2.0
"""Requests go where an HTTPRoute says, one by one on connections that stay: by header, by weight, by path, and otherwise once it
is edited; bodies arrive unchanged both ways, other protocols go through, and weft says itself what can't be answered."""

import collections
import hashlib
import random
import re

import lab

BODY = random.Random(1).randbytes(8 << 20)
ECHO = r"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("Upgrade"):
            self.send_response(101); self.send_header("Connection", "Upgrade"); self.send_header("Upgrade", self.headers["Upgrade"])
            self.end_headers(); self.wfile.flush()
            while data := self.connection.recv(65536):
                self.connection.sendall(data.upper())
            self.close_connection = True
            return
        text = (self.requestline + "\n" + str(self.headers)).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(text))); self.end_headers(); self.wfile.write(text)
    def do_PUT(self):
        self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
        left = int(self.headers.get("Content-Length", 0))
        while left:
            data = self.rfile.read(min(left, 65536)); left -= len(data)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("", 8082), Handler).serve_forever()
"""

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
v1, v2, echo = mesh.pod("v1", "10.1.0.11"), mesh.pod("v2", "10.1.0.12"), mesh.pod("echo", "10.1.0.13")
for pod in (v1, v2):
    pod.serve_http()
    (mesh.folder / f"nginx-{pod.name}" / "www" / "body").write_bytes(BODY)
lab.write(mesh.folder / "echo.py", ECHO)
echo.start("python3", mesh.folder / "echo.py")
lab.wait_until("the echo server listens", lambda: echo.run("ss", "-ltnH", "sport = :8082"))

VIP = "http://10.96.0.10"
for number, (name, pod, port) in enumerate((("shop", v1, 8080), ("shop-v1", v1, 8080), ("shop-v2", v2, 8080), ("echo", echo, 8082))):
    mesh.put(f"{name}.yaml", mesh.service(name, f"10.96.0.{10 + number}"), mesh.slice(name, [pod], port))


def backends(*weights):
    return [{"name": f"shop-v{i + 1}", "port": 80, "weight": weight} for i, weight in enumerate(weights)]


def route(*weights):
    return mesh.http_route(
        "shop", "shop",
        {"matches": [{"method": "GET", "headers": [{"name": "x-canary", "value": "always"}]}], "backendRefs": backends(0, 1)},
        {"matches": [{"path": {"type": "PathPrefix", "value": "/echo"}}],
         "filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/said"}}},
                     {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-set", "value": "by-route"}],
                                                                                 "remove": ["x-secret"]}}],
         "backendRefs": [{"name": "echo", "port": 80}]},
        {"matches": [{"path": {"type": "Exact", "value": "/old"}}],
         "filters": [{"type": "RequestRedirect", "requestRedirect": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}}}]},
        {"matches": [{"path": {"value": "/"}, "method": "GET"}], "backendRefs": backends(*weights)},
        {"matches": [{"path": {"value": "/body"}}], "backendRefs": backends(1)})


mesh.put("route.yaml", route(9, 1))
mesh.configure(workers={"cores": [0, 1]}, snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()


def curl(*words, **options):
    return client.run("curl", "-sS", "-m", "30", *words, **options)


def pods(count, *words):
    """Who answered so many requests, all over connections that stay."""
    return collections.Counter(re.findall(r"X-Pod: (\S+)", curl("-D", "-", "-o", "/dev/null", "--fail", *words, f"{VIP}/?[1-{count}]")))


by_weight = pods(500)
assert by_weight.total() == 500 and 20 <= by_weight["v2"] <= 90, by_weight
assert pods(50, "-H", "X-Canary: always") == {"v2": 50}

said = curl("-H", "X-Secret: mine", "-H", "X-Forwarded-For: 192.0.2.1", f"{VIP}/echo/a?b=c")
assert said.startswith("GET /said/a?b=c HTTP/1.1\n"), said
for line in ("host: 10.96.0.10", "x-set: by-route", "x-forwarded-for: 192.0.2.1, 10.1.0.1", "x-forwarded-proto: http"):
    assert line in said.lower(), (line, said)
assert "x-secret" not in said.lower() and re.search(r"(?i)traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\n", said), said

# From outside nobody says for whom, how and under which number a request came: that is the Gateway's to say.
mesh.update("edge.yaml", {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "edge"},
                          "spec": {"gatewayClassName": "weft", "addresses": [{"value": "192.0.2.80"}],
                                   "listeners": [{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}]}},
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "edge"},
             "spec": {"parentRefs": [{"name": "edge"}], "hostnames": ["shop.example.com"],
                      "rules": [{"backendRefs": [{"name": "echo", "port": 80}]}]}})
FORGED = ("-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-Host: evil", "-H", "X-Request-Id: mine", "-H", "X-Forwarded-For: 192.0.2.1")
said = curl(*FORGED, "-H", "Host: Shop.Example.com", "http://192.0.2.80/echo")
for line in ("host: shop.example.com", "x-forwarded-for: 192.0.2.1, 10.1.0.1", "x-forwarded-proto: http", "x-forwarded-host: shop.example.com"):
    assert f"\n{line}\n" in said.lower(), (line, said)
assert "evil" not in said and "mine" not in said and re.search(r"(?i)\nx-request-id: [0-9a-f-]{36}\n", said), said
assert curl("-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: other.example.com", "http://192.0.2.80/echo") == "404"
said = curl(*FORGED, f"{VIP}/echo")  # inside the mesh a service may have said it
assert "x-forwarded-proto: https" in said.lower() and "x-request-id: mine" in said.lower(), said

assert curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"{VIP}/old") == "302 http://10.96.0.10/new"
answer = curl("-D", "-", "-X", "DELETE", f"{VIP}/nowhere")
assert answer.startswith("HTTP/1.1 404 Not Found") and "server: weft" in answer and "weft: no route" in answer, answer

curl("--fail", "-o", mesh.folder / "got", f"{VIP}/body")
assert hashlib.sha256((mesh.folder / "got").read_bytes()).digest() == hashlib.sha256(BODY).digest()
(mesh.folder / "sent").write_bytes(BODY)
curl("--fail", "-T", mesh.folder / "sent", "-o", mesh.folder / "echoed", f"{VIP}/echo/put")
assert (mesh.folder / "echoed").read_bytes() == BODY

upgraded = client.run("python3", "-c", r"""
import socket
s = socket.create_connection(("10.96.0.10", 80), 10)
s.sendall(b"GET /echo HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
head = b""
while b"\r\n\r\n" not in head:
    head += s.recv(4096)
s.sendall(b"hello")
print(head.split(b"\r\n")[0].decode(), s.recv(100).decode())
""")
assert upgraded == "HTTP/1.1 101 Switching Protocols HELLO\n", upgraded

# An edit under way: no request fails, and from then on all go the new way.
load = client.start("curl", "-sS", "--fail", "-m", "60", "--rate", "12000/m", "-D", mesh.folder / "heads", "-o", "/dev/null", f"{VIP}/?[1-600]")
lab.wait_until("requests run", lambda: (mesh.folder / "heads").exists() and (mesh.folder / "heads").read_text().count("X-Pod") > 100)
mesh.update("route.yaml", route(0, 1))
assert load.popen.wait(90) == 0, load.log.read_text()
answered = re.findall(r"X-Pod: (\S+)", (mesh.folder / "heads").read_text())
assert len(answered) == 600 and set(answered[-50:]) == {"v2"}, collections.Counter(answered)
assert pods(100) == {"v2": 100}

# An endpoint that is killed: what it had not answered goes nowhere else by itself, and new requests are told so.
mesh.update("route.yaml", route(1, 0))
assert pods(10) == {"v1": 10}
mesh.put("shop-v1.yaml", mesh.service("shop-v1", "10.96.0.11"))
lab.wait_until("it is gone", lambda: "503" in curl("-o", "/dev/null", "-w", "%{http_code}", f"{VIP}/"))
mesh.check_books()
assert mesh.weftd.stop() == 0
