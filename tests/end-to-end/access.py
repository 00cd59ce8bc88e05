# SPDX-License-Identifier: Apache-2.0
"""Policies of access with real servers and clients: who may ask what, how a denial looks, what a dry run tells, and that a change ends
what it forbids, whatever carries it."""

import json

import lab

lab.enter()
mesh = lab.Lab()
cart, stranger = mesh.pod("cart", "10.1.0.1"), mesh.pod("stranger", "10.1.0.2")
web = mesh.pod("web", "10.1.0.11")
web.serve_http()
for pod in (cart, stranger):
    pod.serve_http(9090)  # so that cart is an endpoint that anybody would believe in
VIPS = {"web": "10.96.0.10", "raw": "10.96.0.11", "plain": "10.96.0.12"}
mesh.put("cart.yaml", mesh.service("cart", "10.96.0.20"), mesh.slice("cart", [cart], 9090))
mesh.put("web.yaml", mesh.service("web", VIPS["web"], app_protocol="http"), mesh.slice("web", [web]))
mesh.put("raw.yaml", mesh.service("raw", VIPS["raw"], app_protocol="tcp"), mesh.slice("raw", [web]),
         mesh.policy("raw", forwarding={"mode": "proxy"}))
mesh.put("plain.yaml", mesh.service("plain", VIPS["plain"]), mesh.slice("plain", [web]))
mesh.put("udp.yaml", mesh.service("udp", "10.96.0.13", 53, "UDP"), mesh.slice("udp", [web], 53, "UDP"))


def policy(name, spec, dry_run=False):
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": name, **({"annotations": {"istio.io/dry-run": "true"}} if dry_run else {})}, "spec": spec}


def to(*services):
    return {"targetRefs": [{"kind": "Service", "name": name} for name in services]}


CART = {"source": {"principals": ["cluster.local/ns/default/sa/cart"]}}
ONLY_CART = policy("only-cart", {**to("web", "raw", "plain", "udp"), "rules": [{"from": [CART]}]})
NO_ADMIN = policy("no-admin", {**to("web"), "action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/admin*"]}}]}]})
TRY = policy("try", {**to("web"), "action": "DENY", "rules": [{"to": [{"operation": {"methods": ["HEAD"]}}]}]}, dry_run=True)
mesh.configure(snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()
log = mesh.folder / "requests"
lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, "--json", "access"], log)
lab.wait_until("requests are followed", lambda: log.read_text().endswith("\n"))


def ask(pod, name, path="/", *words, seconds=5):
    """@returns the status, or what curl says of a connection"""
    said = pod.run("curl", "-sS", "-m", seconds, "-o", "/dev/null", "-w", "%{http_code}", *words, f"http://{VIPS[name]}{path}", check=False)
    return int(said) if said.isdigit() else said


def last_request():
    lines = [json.loads(line) for line in log.read_text().split("\n")[:-1]]
    found = [line for line in lines if "status" in line]
    return found[-1] if found else None


def service(name):
    return next(row for row in mesh.ctl("show", "services") if row["service"] == f"default/{name}")


def http(name):
    return next(row["count"] for row in mesh.ctl("show", "http")["counters"] if row["name"] == name)


# Without policies all may have all.
for pod in (cart, stranger):
    assert [ask(pod, name) for name in VIPS] == [200, 200, 200]
assert service("web")["policies"] == 0

# Who is not allowed is told so: by 403 where requests are read, by a reset where they are not.
mesh.update("policies.yaml", ONLY_CART, NO_ADMIN)
assert [ask(cart, name) for name in VIPS] == [200, 200, 200]
assert ask(stranger, "web") == 403
for name in ("raw", "plain"):
    said = ask(stranger, name)
    assert "refused" in str(said) or "Couldn't connect" in str(said), said
    assert service(name)["denied"] >= 1, service(name)
assert mesh.verdict("refused_not_authorized") >= 2
assert ask(cart, "web", "/admin/x") == 403 and ask(cart, "web", "/x/../%61dmin", "--path-as-is") == 403
assert "access denied by policy" in cart.run("curl", "-sS", f"http://{VIPS['web']}/admin")
lab.wait_until("the denial is told of", lambda: (last_request() or {}).get("path") == "/admin")
told = last_request()
assert told["status"] == 403 and told["flags"] == "RBAC" and told["denied_by"] == "default/no-admin", told
assert ask(stranger, "web") == 403
lab.wait_until("nobody's leave is told of", lambda: last_request()["denied_by"] == "none")
assert http("denied") == 5 and service("web")["denied"] == 5 and http("authorized") >= 1, mesh.ctl("show", "http")

# Datagrams are dropped, and the client's port is as closed to it as if nobody were there.
stranger.run("python3", "-c", "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('10.96.0.13', 53))")
lab.wait_until("the datagram is dropped", lambda: mesh.verdict("not_authorized") == 1)

# What is asked is what happens.
asked = mesh.ctl("where", "GET", "http://web/admin", "from", cart.address)
assert asked["status"] == 403 and asked["access"] == "denied by default/no-admin, rule 0", asked
asked = mesh.ctl("where", "GET", "http://web/", "from", stranger.address)
assert asked["status"] == 403 and asked["access"] == "denied: no ALLOW policy matches", asked
assert asked["caller"] == "nobody is known at its address", asked
asked = mesh.ctl("where", "GET", "http://web/", "from", cart.address)
assert asked["access"] == "allowed by default/only-cart, rule 0" and "status" not in asked, asked
assert asked["caller"] == "cluster.local/ns/default/sa/cart", asked
for name in ("raw", "plain"):
    asked = mesh.ctl("where", "tcp", f"{stranger.address}:7", f"{VIPS[name]}:80")
    assert asked["rule"] == "denied by a policy of access" and asked["access"] == "denied: no ALLOW policy matches", asked
    asked = mesh.ctl("where", "tcp", f"{cart.address}:7", f"{VIPS[name]}:80")
    assert asked["access"] == "allowed by default/only-cart, rule 0" and asked["endpoint_name"] == "default/%s/web" % name, asked

# A dry run is told, and not carried out.
mesh.update("policies.yaml", ONLY_CART, NO_ADMIN, TRY)
assert ask(cart, "web", "/", "-I") == 200
lab.wait_until("the dry run is told of", lambda: last_request()["dry_run_denied_by"] == "default/try")
assert last_request()["denied_by"] == "" and http("dry_run_denied") == 1 and service("web")["dry_run_denied"] == 1
asked = mesh.ctl("where", "HEAD", "http://web/", "from", cart.address)
assert asked["access_dry_run"] == "would be denied by default/try, rule 0", asked

# A change ends what it forbids, and nothing else: a download is under way by each way.
def download(name):
    return cart.start("curl", "-sS", "--limit-rate", "1M", "-o", "/dev/null", f"http://{VIPS[name]}/stream")


held = {name: download(name) for name in VIPS}
for way in VIPS:
    lab.wait_until(f"the download of {way} is under way",
                   lambda: any(flow["state"] == "established" for flow in mesh.ctl("show", "flows", "service", way)))
mesh.update("policies.yaml", ONLY_CART)  # less is denied
assert ask(cart, "web", "/admin") == 404
assert all(process.running() for process in held.values())
NOT_CART = policy("not-cart", {**to("web", "raw", "plain"), "action": "DENY", "rules": [{"from": [CART]}]})
mesh.update("policies.yaml", ONLY_CART, NOT_CART)
for way, process in held.items():
    lab.wait_until(f"the download of {way} ends", lambda: not process.running(), 20)
    assert process.popen.returncode in (18, 56), (way, process.popen.returncode, process.log.read_text())
lab.wait_until("the download is told of", lambda: last_request()["denied_by"] == "default/not-cart")
assert mesh.verdict("ended_by_policy") >= 1
assert ask(cart, "web") == 403 and not isinstance(ask(cart, "plain"), int)
mesh.update("policies.yaml", ONLY_CART)
assert [ask(cart, name) for name in VIPS] == [200, 200, 200]

# What can't be honoured is refused, and what was in force stays.
mesh.put("policies.yaml", policy("only-cart", {"rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}))
lab.wait_until("it is refused", lambda: "requestPrincipals: weft does not implement this field" in mesh.text("show", "snapshot"))
assert ask(cart, "web") == 200 and ask(stranger, "web") == 403
mesh.check_books()
