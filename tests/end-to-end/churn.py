# SPDX-License-Identifier: Apache-2.0
"""Endpoints come and go while requests run: no request fails, and no established connection moves."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(4)]
for web in webs:
    web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", webs[:3]))
mesh.start_weftd()

def read(path):
    return path.read_text() if path.exists() else ""

# A connection to each endpoint that is to leave, slow enough to outlive all that follows.
held = {}
port = 41000
while not {"web0", "web1"} <= set(held):
    port += 1
    name = mesh.ctl("where", "tcp", f"10.1.0.1:{port}", "10.96.0.10:80")["endpoint_name"].split("/")[-1]
    if name in held:
        continue
    head = mesh.folder / f"head-{name}"
    process = client.start("curl", "-sS", "--local-port", port, "--limit-rate", "200k", "-D", head, "-o", "/dev/null",
                           "http://10.96.0.10/stream")
    held[name] = (process, port)
    lab.wait_until(f"{name} streams", lambda: f"X-Pod: {name}" in read(head))

load = client.start("curl", "-sS", "--fail", "-m", "60", "--rate", "18000/m", "-H", "Connection: close",
                    "http://10.96.0.10/?[1-2000]")
def answered():
    return len(load.log.read_text().split())
lab.wait_until("requests flow", lambda: answered() > 50)

def served_by_flow(name):
    flows = mesh.ctl("show", "flows", "limit", "10000")
    return [flow for flow in flows if flow["client"] == f"10.1.0.1:{held[name][1]}"]

# web0 leaves the registry, web3 joins, web1 is drained by hand, all within the load.
mesh.update("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [webs[1], webs[2], webs[3]]))
gone_at = answered()
lab.wait_until("requests flow on", lambda: answered() > gone_at + 100)
before = mesh.epoch()
mesh.ctl("set", "endpoint", "web/web1", "state", "drain")
mesh.wait_epoch(before)
states = {row["endpoint"]: row["state"] for row in mesh.ctl("show", "endpoints", "web")}
assert states == {"web1": "draining", "web2": "ready", "web3": "ready"}, states
drained_at = answered()
lab.wait_until("requests flow on", lambda: answered() > drained_at + 100)
settled = answered()
assert mesh.ctl("show", "snapshot")["lingering_endpoints"] == 1, "web0 has a connection still, and is steered for"

# The connections held from before are where they were.
for name, (process, _) in held.items():
    assert process.running(), f"the connection to {name} broke"
    flow, = served_by_flow(name)
    assert flow["state"] == "established" and flow["endpoint"].startswith(webs[int(name[-1])].address), flow

assert load.popen.wait(60) == 0, load.log.read_text()[-2000:]
answers = load.log.read_text().split()
assert len(answers) == 2000, f"{2000 - len(answers)} requests failed"
# What was begun before may end later; what came well after goes to whom the registry says.
late = set(answers[settled + 50:])
assert late == {"web2", "web3"}, late

# A drain is taken back; an endpoint's slot is given up once its last flow is forgotten.
mesh.ctl("set", "endpoint", "web/web1", "state", "ready")
assert {row["state"] for row in mesh.ctl("show", "endpoints", "web")} == {"ready"}
mesh.check_books()
