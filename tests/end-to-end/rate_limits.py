# SPDX-License-Identifier: Apache-2.0
"""Limits of the rate of requests with real servers and clients: 429 with when to come again, for a whole node whatever worker a
connection comes to, by what a header says and by who asks."""

import json

import lab

WORKERS = 3
lab.enter()
mesh = lab.Lab()
cart, stranger = mesh.pod("cart", "10.1.0.1"), mesh.pod("stranger", "10.1.0.2")
web = mesh.pod("web", "10.1.0.11")
web.serve_http()
cart.serve_http(9090)  # so that cart is an endpoint that anybody would believe in
VIP = "10.96.0.10"


def limited(*limits):
    mesh.update("limits.yaml", mesh.policy("web", limits={"requests": list(limits)}))


mesh.put("cart.yaml", mesh.service("cart", "10.96.0.20"), mesh.slice("cart", [cart], 9090))
mesh.put("web.yaml", mesh.service("web", VIP, app_protocol="http"), mesh.slice("web", [web]))
mesh.configure(snat={"addresses": ["10.9.0.1"]}, workers={"cores": [0, 1, 0][:WORKERS]})
mesh.start_weftd()
log = mesh.folder / "requests"
lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, "--json", "access"], log)
lab.wait_until("requests are followed", lambda: log.read_text().endswith("\n"))


def ask(pod, count, *words):
    """Requests over a connection each. @returns how many got which status, and what the last refusal said"""
    statuses, after = {}, None
    for _ in range(count):
        said = pod.run("curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %header{retry-after}", *words, f"http://{VIP}/")
        status, _, retry_after = said.partition(" ")
        statuses[int(status)] = statuses.get(int(status), 0) + 1
        after = int(retry_after) if retry_after.strip() else after
    return statuses, after


def counted():
    row = next(row for row in mesh.ctl("show", "protections") if row["service"] == "default/web")
    return row["request_limits"], row["limited"]


assert ask(cart, 3) == ({200: 3}, None)
assert counted() == (0, 0)

# As many as there may be in an hour, by however many workers: what comes back meanwhile is one at most.
limited({"name": "all", "requests": 8, "per": "1h"})
statuses, after = ask(cart, 20)
assert statuses == {200: 8, 429: 12}, statuses
assert 0 < after <= 450, after
assert counted() == (1, 12)
received = [row["received"] for row in mesh.ctl("show", "workers")]
print(f"20 connections to {len(received)} workers, which received {received}: {statuses}, retry-after {after}")
lab.wait_until("the last request is told of", lambda: '"limited_by":"all"' in log.read_text())
record = next(line for line in map(json.loads, log.read_text().split("\n")[:-1]) if line.get("limited_by") == "all")
assert (record["status"], record["flags"], record["detail"], record["answered_by"]) == (429, "RL", "request_limit", "weft"), record
assert record["endpoint"] is None, record

# Another edit of the service gives nobody anything back; the limit's own name is what it is known by.
mesh.update("more.yaml", mesh.service("more", "10.96.0.30"))
assert ask(stranger, 1)[0] == {429: 1}
limited({"name": "another", "requests": 8, "per": "1h"})
assert ask(stranger, 1)[0] == {200: 1}

# By a header's value, and by who asks; the first that is used up is the one that is named.
limited({"name": "tenants", "requests": 2, "per": "1h", "by": {"header": "X-Tenant"}},
        {"name": "callers", "requests": 3, "per": "1h", "by": {"source": "service"}})
assert ask(cart, 3, "-H", "X-Tenant: a")[0] == {200: 2, 429: 1}
assert ask(cart, 3, "-H", "X-Tenant: b")[0] == {200: 1, 429: 2}, "all of cart's are used up"
assert ask(stranger, 3, "-H", "X-Tenant: c")[0] == {200: 2, 429: 1}
assert ask(stranger, 2, "-H", "X-Tenant: d")[0] == {200: 1, 429: 1}, "all of those who are nobody known"
where = mesh.ctl("where", "GET", "http://web/", "from", stranger.address)
assert [row["limits"] for row in where["backends"]] == ["tenants,callers"], where

# Bad ones are refused by name, and the old stay.
mesh.put("limits.yaml", mesh.policy("web", limits={"requests": [{"name": "tenants", "requests": 2, "per": "25h"}]}))
lab.wait_until("the refusal is told",
               lambda: "spec.limits.requests[0].per: expected 1ms to 24h" in json.dumps(mesh.ctl("show", "snapshot")))
assert counted()[0] == 2
mesh.check_books()
