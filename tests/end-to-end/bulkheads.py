# SPDX-License-Identifier: Apache-2.0
"""A service that is stuck and a caller that floods, with real servers: what the others notice of it, which is nothing."""

import json
import statistics

import lab

# Accepts, and neither reads nor answers.
STUCK = r"""
import socket
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind(("", 8080)); listener.listen(1024)
print("listens", flush=True)
kept = []
while True: kept.append(listener.accept()[0])
"""
# So many connections at once, each with a request whose body does not end, as far as they are taken; stays until it is killed.
FLOOD = r"""
import socket, sys, time
host, count, body = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kept, reset, refused = [], 0, 0
for _ in range(count):
    one = socket.socket(); one.settimeout(5)
    try:
        one.connect((host, 80))
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % max(body * 2, 1))
        one.setblocking(False)
        try:
            for _ in range(body // 65536): one.send(bytes(65536))
        except BlockingIOError: pass
        kept.append(one)
    except OSError: reset += 1
began = time.monotonic()
while time.monotonic() - began < 3:
    for one in kept[:]:
        try:
            if one.recv(4096).startswith(b"HTTP/1.1 503"): refused += 1
            kept.remove(one)
        except BlockingIOError: pass
        except OSError: reset += 1; kept.remove(one)
    time.sleep(0.05)
print(len(kept), refused, reset, flush=True)
time.sleep(600)
"""
# Requests one after another over a connection that stays; how long each took.
LOAD = r"""
import http.client, json, sys, time
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=30)
took, bad = [], 0
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    connection.request("GET", "/")
    response = connection.getresponse(); response.read()
    bad += response.status != 200
    took.append(time.perf_counter() - began)
print(json.dumps([bad, took]))
"""

lab.enter()
mesh = lab.Lab()
cart, stranger = mesh.pod("cart", "10.1.0.1"), mesh.pod("stranger", "10.1.0.2")
web, stuck = mesh.pod("web", "10.1.0.11"), mesh.pod("stuck", "10.1.0.12")
web.serve_http()
cart.serve_http(9090)  # so that cart is an endpoint that anybody would believe in
mesh.put("cart.yaml", mesh.service("cart", "10.96.0.20"), mesh.slice("cart", [cart], 9090))
mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="http"), mesh.slice("web", [web]))
mesh.put("stuck.yaml", mesh.service("stuck", "10.96.0.30", app_protocol="http"), mesh.slice("stuck", [stuck]))
mesh.configure(snat={"addresses": ["10.9.0.1"]}, tcp={"connections": 512}, http={"exchanges": 128, "upstreams": 128})
mesh.start_weftd()


def load(count=400):
    bad, took = json.loads(stranger.run("python3", "-c", LOAD, "10.96.0.10", str(count)))
    assert bad == 0, f"{bad} of {count} requests were refused"
    return statistics.median(took) * 1e6, sorted(took)[int(len(took) * 0.99)] * 1e6


def row(service):
    return next(row for row in mesh.ctl("show", "protections") if row["service"] == f"default/{service}")


def flood(pod, host, count, body, name):
    log = mesh.folder / name
    process = lab.Process(pod.inside("python3", "-c", FLOOD, host, str(count), str(body)), log)
    lab.wait_until(f"{name} is under way", lambda: log.read_text().endswith("\n"), 60)
    return process, [int(word) for word in log.read_text().split()]


load(100)
quiet = load()



def hang():
    log = mesh.folder / "stuck.log"
    process = lab.Process(stuck.inside("python3", "-c", STUCK), log)
    lab.wait_until("the stuck one listens", lambda: log.read_text().endswith("\n"))
    return process


def beside_a_flood(body, name):
    """The other service, which has all its requests, and as fast. @returns how many of the stuck one's are under way"""
    hung = hang()
    process, (kept, refused, reset) = flood(cart, "10.96.0.30", 300, body, name)
    beside = load()
    assert row("web")["request_share_overflows"] == row("web")["connection_share_overflows"] == 0
    process.kill()
    hung.kill()  # as its clients' bytes wait, weft would not hear of their end
    lab.wait_until("what was under way has ended", lambda: row("stuck")["requests"] == 0, 60)
    after = load()  # who else uses the processors may have come meanwhile
    print(f"{name}: {kept} kept, {refused} refused, {reset} reset; median and p99 of the other: {quiet} us, beside it {beside} us, after it {after} us")
    assert beside[0] < 5 * max(quiet[0], after[0], 200), "the median of the other service"
    return kept


def tcp(name):
    return next(row["count"] for row in mesh.ctl("show", "tcp")["counters"] if row["name"] == name)


# A service that is stuck has its share of requests,
kept = beside_a_flood(0, "requests to a stuck service")
assert kept <= 128 * 4 // 5 + 1, kept
assert row("stuck")["request_share_overflows"] >= 300 - kept, row("stuck")
# and of buffers.
assert tcp("pieces_beyond_share") == 0
beside_a_flood(1 << 20, "bodies to a stuck service")
assert tcp("pieces_beyond_share") > 0

# A caller that floods has what a caller may have, and another what it asks.
mesh.update("limits.yaml", mesh.policy("stuck", limits={"callers": {"maxRequests": 10, "maxConnections": 40, "overrides": [
    {"from": {"namespace": "default", "service": "cart"}, "maxRequests": 5}]}}))
before = row("stuck")
hung = hang()
process, (kept, refused, reset) = flood(cart, "10.96.0.30", 60, 0, "a flood by cart")
assert (kept, refused) == (5, 35) or kept == 5, (kept, refused, reset)
assert reset >= 15, (kept, refused, reset)
other, (kept_of_other, *_) = flood(stranger, "10.96.0.30", 8, 0, "requests by another")
assert kept_of_other == 8, kept_of_other
after = row("stuck")
assert after["caller_request_overflows"] > before["caller_request_overflows"], after
assert after["caller_connection_overflows"] >= 15, after
print(f"cart: {kept} kept, {refused} refused, {reset} reset; another: {kept_of_other} kept")
process.kill()
other.kill()
load(50)

# Bad ones are refused by name.
mesh.put("limits.yaml", mesh.policy("stuck", limits={"callers": {"maxRequests": 5, "maxPendingRequests": 6}}))
lab.wait_until("the refusal is told", lambda: "spec.limits.callers.maxPendingRequests: expected at most maxRequests" in
               json.dumps(mesh.ctl("show", "snapshot")))
mesh.check_books()
