# SPDX-License-Identifier: Apache-2.0
"""HTTP as an operator meets it: asked where a request would go, followed as requests finish, counted, listed and traced, set, and
sent away."""

import json
import re
import socket
import subprocess
import time

import lab

# Sends a request over one connection whenever it gets a line, and says who answered, and how the connection goes on; at the end of its
# input, what becomes of the connection.
ASKER = r"""
import socket, sys
connection = socket.create_connection((sys.argv[1], 80), 10)
print(connection.getsockname()[1], flush=True)
try:
    for line in sys.stdin:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nx-user: 1\r\n\r\n" % line.strip().encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536) or sys.exit("cut off: %r" % got)
        head, body = got.split(b"\r\n\r\n", 1)
        fields = dict(field.lower().split(b": ", 1) for field in head.split(b"\r\n")[1:])
        left = int(fields[b"content-length"]) - len(body)
        while left:
            left -= len(connection.recv(left) or sys.exit("cut off"))
        print(head.split()[1].decode(), fields[b"x-pod"].decode(), fields.get(b"connection", b"stays").decode(), flush=True)
    print("closed" if connection.recv(1) == b"" else "more", flush=True)
except ConnectionResetError:
    print("reset", flush=True)
"""
# A server that takes as long as its client says.
SLOW = r"""
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(float(self.path[1:]))
        self.send_response(200); self.send_header("Content-Length", "2"); self.send_header("X-Pod", "slow"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
pods = [mesh.pod(name, address) for name, address in (("v1a", "10.1.0.11"), ("v1b", "10.1.0.12"), ("v2", "10.1.0.13"))]
v1a, v1b, v2 = pods
for pod in pods:
    pod.serve_http()
slow = mesh.pod("slow", "10.1.0.14")
lab.write(mesh.folder / "slow.py", SLOW)
slow.start("python3", mesh.folder / "slow.py")
lab.wait_until("the slow server listens", lambda: slow.run("ss", "-ltnH", "sport = :8080"))
VIP, SLOW_VIP = "10.96.0.10", "10.96.0.14"
mesh.put("slow.yaml", mesh.service("slow", SLOW_VIP, app_protocol="http"), mesh.slice("slow", [slow]))
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
mesh.put("gateway.yaml", {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "public"},
                          "spec": {"gatewayClassName": "weft", "addresses": [{"type": "IPAddress", "value": "10.96.0.50"}],
                                   "listeners": [{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}]}},
         mesh.http_route("edge", "", {"backendRefs": TO["v2"]}, parentRefs=[{"name": "public"}], hostnames=["shop.example.com"]))
OWN = {"workers": {"cores": [0, 1]}, "snat": {"addresses": ["10.9.0.1"]}}
mesh.configure(**OWN)
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
# A Gateway has no endpoints of its own, and is known by its address.
for name, expected in (("shop.example.com", 200), ("other.example.com", 404)):
    asked = mesh.ctl("where", "GET", "http://10.96.0.50/", "header", f"host: {name}")
    assert asked["service"] == "gateway default/public" and asked.get("status", 200) == expected, asked
    assert status("-H", f"Host: {name}", "http://10.96.0.50/") == expected
for words, error in ((("GET", "http://raw/"), "relayed unread"), (("GET", "http://web:81/"), "no TCP port 81"),
                     (("GET", "http://10.96.0.99/"), "no service"), (("GET", "http://web/", "from", "x"), "expected an address")):
    assert error in lab.run(lab.BUILD / "weftctl", "--socket", mesh.socket, "where", *words, check=False), words


def whole_lines(path):
    """Those that have their end: one may be on its way."""
    return path.read_text().split("\n")[:-1]


class Followed:
    """`weftctl access`, and what it has said."""

    def __init__(self, *words, form="--json"):
        self.log = mesh.folder / f"access-{'-'.join(words)}-{form}"
        self.process = lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, *filter(None, [form]), "access", *words], self.log)
        lab.wait_until("it follows", lambda: self.log.read_text().endswith("\n"))

    def requests(self, count):
        def rows():
            said = [json.loads(line) for line in whole_lines(self.log)]
            found = [row for row in said if "status" in row]
            return found if len(found) >= count else None
        return lab.wait_until(f"{count} requests were told of", rows)


every, failed, of_v2 = Followed(), Followed("failed"), Followed("service", "v2")
table = Followed("count", "3", form="")
assert "4 run already" in lab.run(lab.BUILD / "weftctl", "--socket", mesh.socket, "access", check=False)
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
of_gateway = Followed("service", "gateway", "public", "count", "1")
curl("-o", "/dev/null", "-H", "Host: shop.example.com", "http://10.96.0.50/")
row, = of_gateway.requests(1)
assert (row["service"], row["route"], row["backend"]) == ("gateway default/public", "default/edge", "default/v2"), row
assert not any("status" in json.loads(line) for line in whole_lines(of_v2.log))
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
for _ in range(2):
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
assert http("requests") == sum(http(f"responses_{kind}") for kind in ("none", "1xx", "2xx", "3xx", "4xx", "5xx")) >= 24000
assert http("records_missed") == 0 and http("connections") + http("reused") >= 24000
mesh.check_books()


class Asker:
    """A client with one connection that stays."""

    def __init__(self, vip=VIP):
        self.process = subprocess.Popen(client.inside("python3", "-c", ASKER, vip), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())

    def say(self, path):
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().split()

    def ask(self, path="/"):
        self.say(path)
        return self.hear()

    def end(self):
        """What becomes of its connection, and when."""
        self.process.stdin.close()
        said = self.process.stdout.read().strip()
        self.process.wait(10)
        return said


# Connections among flows: a client's with the endpoint that its request is under way to, and who waits at an endpoint.
asker = Asker(SLOW_VIP)
at = f"10.1.0.1:{asker.port}"


def flows_of(client_end):
    return [row for row in mesh.ctl("show", "flows") if row["client"] == client_end and row["way"] == "http"]


row, = flows_of(at)
assert (row["address"], row["endpoint"], row["own_source"], row["state"]) == (f"{SLOW_VIP}:80", "", "", "established"), row
assert row["bytes_in"] is None and row["packets_in"] is None, row
trace = subprocess.Popen([lab.BUILD / "weftctl", "--socket", mesh.socket, "trace", "1000", "for", "60", "tcp", "and", "host", slow.address],
                         stdout=subprocess.PIPE, text=True)
assert "tracing" in trace.stdout.readline()
asker.say("/2")
row = lab.wait_until("its request is under way", lambda: next((row for row in flows_of(at) if row["endpoint"]), None))
assert row["endpoint"] == "10.1.0.14:8080" and row["endpoint_name"] == "default/slow/slow" and row["own_source"].startswith("10.9.0.1:"), row
for words in (("tcp", at, f"{SLOW_VIP}:80"), ("tcp", "10.1.0.14:8080", row["own_source"])):
    there = mesh.ctl("where", *words)
    assert there["rule"] == "connection whose requests are read" and there["client"] == at and there["endpoint"] == row["endpoint"], there
assert asker.hear() == ["200", "slow", "stays"]
waiting, = lab.wait_until("it waits for the next", lambda: [row for row in mesh.ctl("show", "flows", "service", "slow") if not row["client"]])
assert waiting["own_source"] == row["own_source"] and waiting["address"] == "", waiting
row, = flows_of(at)
assert row["endpoint"] == "" and row["age_seconds"] - row["idle_seconds"] >= 1, row
trace.terminate()
said = trace.communicate(timeout=20)[0]
assert f"flow    known reply, http, established: {at} > {SLOW_VIP}:80 at 10.1.0.14:8080 (default/slow/slow)" in said, said
assert mesh.ctl("where", "tcp", "10.1.0.1:1", f"{SLOW_VIP}:80")["rule"].startswith("request by request")

# An endpoint that drains under clients' connections, which notice nothing.
before = curl("-D", "-", "-o", "/dev/null", "-H", "x-user: 1", f"http://{VIP}/")
drained, other = re.search(r"X-Pod: (\S+)", before)[1], {"v1a": "v1b", "v1b": "v1a"}[re.search(r"X-Pod: (\S+)", before)[1]]
load = client.start("curl", "-sS", "--fail", "-m", "60", "--rate", "12000/m", "-H", "x-user: 1", "-D", mesh.folder / "heads", "-o", "/dev/null",
                    f"http://{VIP}/?[1-600]")
lab.wait_until("requests run", lambda: (mesh.folder / "heads").exists() and (mesh.folder / "heads").read_text().count("X-Pod") > 100)
mesh.ctl("set", "endpoint", f"v1/{drained}", "state", "drain")
assert load.popen.wait(90) == 0, load.log.read_text()
served = re.findall(r"X-Pod: (\S+)", (mesh.folder / "heads").read_text())
assert len(served) == 600 and served[0] == drained and set(served[-50:]) == {other}, served
lab.wait_until("nothing is held there", lambda: not any(row["endpoint_name"] == f"default/v1/{drained}" for row in mesh.ctl("show", "flows")))
mesh.ctl("set", "endpoint", f"v1/{drained}", "state", "ready")

# The node drains: who is at work is told with the next response, who is idle is closed, and no request is lost.
idle, working = Asker(), Asker()
assert idle.ask()[2] == working.ask()[2] == "stays"
(mesh.folder / "heads").unlink()
load = client.start("curl", "-sS", "--fail", "-m", "60", "--retry", "0", "--rate", "12000/m", "-D", mesh.folder / "heads", "-o", "/dev/null",
                    f"http://{VIP}/?[1-600]")
lab.wait_until("requests run", lambda: (mesh.folder / "heads").exists() and (mesh.folder / "heads").read_text().count("X-Pod") > 100)
assert mesh.ctl("drain")["state"] == "draining" == mesh.ctl("show", "http")["state"]
assert working.ask()[2] == "close"
assert idle.end() == "closed" == working.end()
assert load.popen.wait(90) == 0, load.log.read_text()
heads = re.findall(r"(?s)HTTP/1.1 200 OK.*?\r?\n\r?\n", (mesh.folder / "heads").read_text())
closing = ["connection: close" in head for head in heads]
assert len(heads) == 600 and not closing[0] and all(closing[-100:]), (len(heads), closing.count(True))
assert mesh.ctl("drain", "stop")["state"] == "serving"
assert Asker().ask()[2] == "stays"
mesh.check_books()

# weftd is told to stop: the same, until nobody is left.
idle, working = Asker(), Asker(SLOW_VIP)
assert idle.ask()[2] == "stays" and working.ask("/0")[2] == "stays"
working.say("/2")
lab.wait_until("its request is under way", lambda: any(row["endpoint"] for row in flows_of(f"10.1.0.1:{working.port}")))
began = time.monotonic()
mesh.weftd.popen.terminate()
lab.wait_until("it drains", lambda: re.search(r"draining [2-9] clients, at most 5 s; a second signal ends it", mesh.weftd_log()))
assert mesh.ctl("show", "http")["state"] == "draining", "it answers meanwhile"
assert working.hear() == ["200", "slow", "close"] and working.end() == "closed" == idle.end()
assert mesh.weftd.popen.wait(10) == 0 and time.monotonic() - began < 4.5, mesh.weftd_log()

# As the configuration says: bounds, times, names; and no longer than it allows.
log = mesh.folder / "access.log"
mesh.configure(**OWN, http={"access_log": str(log), "limits": {"head_bytes": 2048, "target_bytes": 1024, "fields": 20}, "via": "weft-7", "traces_per_million": 1000000,
                            "timeouts": {"head_s": 1, "body_s": 1, "client_idle_s": 2, "drain_s": 1}})
mesh.start_weftd()
assert say(FIRST + b"a: " + b"b" * 2100 + b"\r\n\r\n").startswith("HTTP/1.1 431 ")
assert say(FIRST + b"a: b\r\n" * 21 + b"\r\n").startswith("HTTP/1.1 431 ")
assert say(b"GET /" + b"a" * 1100 + b" HTTP/1.1\r\nHost: x\r\n\r\n").startswith("HTTP/1.1 414 ")
assert mesh.ctl("where", "GET", f"http://{VIP}/", "header", f"a: {'b' * 2100}")["status"] == 431, "by the same bounds"
assert say(FIRST).startswith("HTTP/1.1 408 ")
stalled = client.run("python3", "-c", f"""
import socket
s = socket.create_connection(("{SLOW_VIP}", 80), 20); s.settimeout(20)
s.sendall(b"GET /9 HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 5\\r\\n\\r\\nab")
print(s.recv(4096).split()[1].decode())
""").strip()
assert stalled == "408" and http("body_timeouts") == 1 and http("head_timeouts") == 1
assert "via: 1.1 weft-7" in curl("-D", "-", f"http://{VIP}/").lower()
assert Asker().end() == "closed", "after two seconds"
# The file: moved away, and cut down.
def logged(path):
    return [json.loads(line) for line in whole_lines(path)]


lab.wait_until("all is in the file", lambda: len(logged(log)) == 6)
assert sorted((row["status"], row["flags"], row["path"]) for row in logged(log)) == \
    [(200, "-", "/"), (408, "DT", ""), (408, "DT", "/9"), (414, "DPE", ""), (431, "DPE", ""), (431, "DPE", "")], logged(log)
log.rename(mesh.folder / "old.log")
lab.wait_until("it is there again", lambda: log.exists())
curl("-o", "/dev/null", f"http://{VIP}/again")
lab.wait_until("the new one has it", lambda: [row["path"] for row in logged(log)] == ["/again"])
with open(log, "r+") as cut:
    cut.truncate(0)
curl("-o", "/dev/null", f"http://{VIP}/once-more")
lab.wait_until("it goes on from the start", lambda: [row["path"] for row in logged(log)] == ["/once-more"])

stuck = Asker(SLOW_VIP)
stuck.say("/30")
lab.wait_until("its request is under way", lambda: any(row["endpoint"] for row in flows_of(f"10.1.0.1:{stuck.port}")))
began = time.monotonic()
assert mesh.weftd.stop() == 0 and 0.9 < time.monotonic() - began < 5, mesh.weftd_log()
assert stuck.hear() == ["reset"]
# A disk that is full, and has room again.
full = mesh.folder / "full"
full.mkdir()
lab.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", full)
log = full / "access.log"
mesh.configure(**OWN, http={"access_log": str(log)})
mesh.start_weftd()
curl("-o", "/dev/null", f"http://{VIP}/?[1-100]")
lab.wait_until("it is full", lambda: "http.access_log: requests are lost: cannot write to" in mesh.weftd_log())
assert 0 < len(logged(log)) < 100 and all("status" in row for row in logged(log)), "half a line may be at its end, no more"
# What came before is written when there is room, however late, and may fill the disk again: until it is through.
told = set()


def after_the_loss():
    is_full = log.stat().st_size > 15 << 10
    rows = [json.loads(line) for line in whole_lines(log) if line]
    told.update("missed" for row in rows if row.get("missed", 0) > 0)
    told.update("roomy" for row in rows if row.get("path") == "/roomy")
    if is_full:
        with open(log, "r+") as cut:
            cut.truncate(0)
    if "roomy" not in told:
        curl("-o", "/dev/null", f"http://{VIP}/roomy")
    return len(told) == 2


lab.wait_until("what was lost is counted, and the next request is there whole", after_the_loss)
assert mesh.weftd.stop() == 0
lab.run("umount", full)
mesh.configure(**OWN, http={"access_log": "/nowhere/access.log"})
failed = lab.run(lab.BUILD / "weftd", "--config", mesh.config_file, check=False)
assert "http.access_log: cannot open /nowhere/access.log: No such file" in failed, failed
lab.run("mkfifo", mesh.folder / "fifo")
mesh.configure(**OWN, http={"access_log": str(mesh.folder / "fifo")})
assert "http.access_log: cannot open" in lab.run(lab.BUILD / "weftd", "--config", mesh.config_file, check=False), "it waits for no reader"
