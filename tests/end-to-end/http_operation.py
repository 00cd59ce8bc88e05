# SPDX-License-Identifier: Apache-2.0
"""HTTP as an operator meets it: asked where a request would go, followed as requests finish, and counted."""

import json
import re
import socket
import subprocess

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
pods = [mesh.pod(name, address) for name, address in (("v1a", "10.1.0.11"), ("v1b", "10.1.0.12"), ("v2", "10.1.0.13"))]
v1a, v1b, v2 = pods
for pod in pods:
    pod.serve_http()
VIP = "10.96.0.10"
mesh.put("web.yaml", mesh.service("web", VIP, app_protocol="http"))
mesh.put("v1.yaml", mesh.service("v1", "10.96.0.11", app_protocol="http"), mesh.slice("v1", [v1a, v1b]))
mesh.put("v2.yaml", mesh.service("v2", "10.96.0.12"), mesh.slice("v2", [v2]))
mesh.put("raw.yaml", mesh.service("raw", "10.96.0.13", app_protocol="tcp"), mesh.slice("raw", [v1a]), mesh.policy("raw", forwarding={"mode": "proxy"}))
mesh.put("hash.yaml", {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "v1"},
                       "spec": {"host": "v1", "trafficPolicy": {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}}})
TO = {name: [{"name": name, "port": 80}] for name in ("v1", "v2", "nobody")}
mesh.put("route.yaml", mesh.http_route(
    "split", "web",
    {"matches": [{"method": "GET", "headers": [{"name": "x-canary", "value": "always"}]}], "backendRefs": TO["v2"]},
    {"matches": [{"path": {"type": "Exact", "value": "/old"}}],
     "filters": [{"type": "RequestRedirect", "requestRedirect": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}}}]},
    {"matches": [{"path": {"value": "/nobody"}}], "backendRefs": TO["nobody"]},
    {"matches": [{"path": {"value": "/"}, "method": "GET"}], "backendRefs": TO["v1"], "timeouts": {"request": "10s"}}))
mesh.configure(workers={"cores": [0, 1]}, snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()


def curl(*words, **options):
    return client.run("curl", "-sS", "-m", "30", *words, **options)


def status(*words):
    return int(curl("-o", "/dev/null", "-w", "%{http_code}", *words))


def http(name):
    """What `show http` counts under this name."""
    shown = mesh.ctl("show", "http")
    return next(row["count"] for row in shown["counters"] + shown["bad_requests"] if row["name"] == name)


# What is asked is what happens: the same endpoint, the same answer of weft's own.
for user in range(8):
    asked = mesh.ctl("where", "GET", "http://web/index.html?a=b", "from", client.address, "header", f"x-user: {user}")
    assert asked["route"] == "default/split" and asked["rule"] == "3" and asked["request_timeout"] == "10s", asked
    assert asked["because"] == "path begins with /; method is GET", asked
    backend, = asked["backends"]
    served_by = re.search(r"X-Pod: (\S+)", curl("-D", "-", "-o", "/dev/null", "-H", f"x-user: {user}", f"http://{VIP}/index.html?a=b"))[1]
    assert backend["endpoint_name"] == f"default/v1/{served_by}" and "x-user" in backend["chosen_by"], (backend, served_by)
canary = mesh.ctl("where", "GET", f"http://{VIP}/", "header", "x-canary: always")
assert canary["rule"] == "0" and canary["backends"][0]["endpoint_name"] == "default/v2/v2", canary
for path, expected, flags in (("/old", 302, "-"), ("/nobody", 500, "NR"), ("/a%2f..%2fb", 400, "DPE")):
    asked = mesh.ctl("where", "GET", f"http://{VIP}{path}")
    assert asked["answered_by"] == "weft" and asked["status"] == status(f"http://{VIP}{path}") == expected, (asked, path)
    assert asked["flags"] == flags, asked
assert mesh.ctl("where", "PUT", f"http://{VIP}/")["status"] == status("-X", "PUT", f"http://{VIP}/") == 404
assert "location: http://10.96.0.10/new" in mesh.text("where", "GET", f"http://{VIP}/old")
for words, error in ((("GET", "http://raw/"), "relayed unread"), (("GET", "http://web:81/"), "no TCP port 81"),
                     (("GET", "http://10.96.0.99/"), "no service"), (("GET", "http://web/", "from", "x"), "expected an address")):
    assert error in lab.run(lab.BUILD / "weftctl", "--socket", mesh.socket, "where", *words, check=False), words


class Followed:
    """`weftctl access`, and what it has said."""

    def __init__(self, *words, form="--json"):
        self.log = mesh.folder / f"access-{'-'.join(words)}-{form}"
        self.process = lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, *filter(None, [form]), "access", *words], self.log)
        lab.wait_until("it follows", lambda: self.log.read_text().endswith("\n"))

    def requests(self, count):
        def rows():
            said = [json.loads(line) for line in self.log.read_text().splitlines()]
            found = [row for row in said if "status" in row]
            return found if len(found) >= count else None
        return lab.wait_until(f"{count} requests were told of", rows)


every, failed, of_v2 = Followed(), Followed("failed"), Followed("service", "v2")
table = Followed("count", "3", form="")
curl("-o", "/dev/null", "-H", "x-user: 1", f"http://{VIP}/index.html?secret=1")
assert status(f"http://{VIP}/nobody") == 500
client.run("python3", "-c", f"""
import socket
s = socket.create_connection(("{VIP}", 80), 10); s.sendall(b"GET / HTTP/1.1\\r\\nHost : x\\r\\n\\r\\n"); assert s.recv(9) == b"HTTP/1.1 "
""")
served, nobody, malformed = every.requests(3)
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", served["time"]), served
assert re.fullmatch(r"10\.1\.0\.1:\d+", served["client"]) and re.fullmatch(r"[0-9a-f-]{36}", served["request_id"]), served
assert 0 < served["first_byte_us"] <= served["duration_us"] < 30e6 and served["response_bytes"] == 4, served
assert {key: served[key] for key in ("service", "address", "method", "host", "path", "route", "backend", "attempts", "status", "flags",
                                     "answered_by", "request_bytes")} == \
    {"service": "default/web", "address": f"{VIP}:80", "method": "GET", "host": VIP, "path": "/index.html", "route": "default/split",
     "backend": "default/v1", "attempts": 1, "status": 200, "flags": "-", "answered_by": "endpoint", "request_bytes": 0}, served
assert served["endpoint"] in (f"{v1a.address}:8080", f"{v1b.address}:8080"), served
assert (nobody["status"], nobody["flags"], nobody["answered_by"], nobody["endpoint"], nobody["attempts"]) == (500, "NR", "weft", None, 0), nobody
assert (malformed["status"], malformed["flags"], malformed["service"], malformed["path"]) == (400, "DPE", "default/web", ""), malformed
assert [row["status"] for row in failed.requests(2)] == [500, 400]
assert curl(f"http://10.96.0.12:80/") == "v2\n", "forwarded packet by packet: nobody reads it"
assert table.process.popen.wait(10) == 0
lines = table.log.read_text().splitlines()
assert lines[0].split()[:3] == ["TIME", "STATUS", "FLAGS"] and lines[-1] == "3 requests, 0 missed; ended by count", lines
assert re.search(r"  +200  -  .*  default/web  .*  default/split  +GET 10\.96\.0\.10/index\.html$", lines[1]), lines[1]
assert not any("status" in json.loads(line) for line in of_v2.log.read_text().splitlines())
for follower in (every, failed, of_v2):
    follower.process.stop()
assert "expected a number" in lab.run(lab.BUILD / "weftctl", "--socket", mesh.socket, "access", "count", "0", check=False)
timed = Followed("for", "1")
assert timed.process.popen.wait(10) == 0 and json.loads(timed.log.read_text().splitlines()[-1])["ended_by"] == "time"

# Whoever follows and does not read is told what it missed, and holds nobody up.
deaf = socket.socket(socket.AF_UNIX)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
deaf.connect(str(mesh.socket))
deaf.sendall(b"json access\n")
lab.wait_until("it follows", lambda: deaf.recv(64, socket.MSG_PEEK))
for _ in range(3):
    curl("-o", "/dev/null", "--parallel", "--parallel-max", "20", "-H", "x-canary: always", f"http://{VIP}/?[1-12000]")
text = b""
while not re.search(rb'{"missed":[1-9]', text):
    text += deaf.recv(1 << 20)
deaf.close()

# Bad requests, by what is wrong with them.
def say(request):
    return client.run("python3", "-c", f"""
import socket
s = socket.create_connection(("{VIP}", 80), 20); s.settimeout(20); s.sendall({request!r})
print(s.recv(4096).split(b"\\r\\n")[0].decode())
""")


before = {name: http(name) for name in ("head_too_long", "too_many_fields", "field_name", "folded", "target_too_long", "ambiguous_length")}
assert before["field_name"] == 1
FIRST = b"GET / HTTP/1.1\r\nHost: x\r\n"
for name, request, answer in (
        ("head_too_long", FIRST + b"a: " + b"b" * 20000 + b"\r\n\r\n", "431 "),
        ("too_many_fields", FIRST + b"a: b\r\n" * 101 + b"\r\n", "431 "),
        ("folded", FIRST + b"a: b\r\n c\r\n\r\n", "400 "),
        ("target_too_long", b"GET /" + b"a" * 20000, "414 "),
        ("ambiguous_length", FIRST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400 ")):
    assert say(request).startswith("HTTP/1.1 " + answer), name
    lab.wait_until(f"{name} is counted", lambda: http(name) == before[name] + 1)
shown = mesh.ctl("show", "http")
assert all(row["meaning"] and row["unit"] for row in shown["counters"]) and all(row["meaning"] for row in shown["bad_requests"])
assert sum(row["bad_requests"] for row in shown["workers"]) == sum(row["count"] for row in shown["bad_requests"]) == 6
assert http("requests") == sum(http(f"responses_{kind}") for kind in ("none", "1xx", "2xx", "3xx", "4xx", "5xx")) >= 36000
assert http("records_missed") == 0 and http("connections") + http("reused") >= 36000
mesh.check_books()
assert mesh.weftd.stop() == 0
