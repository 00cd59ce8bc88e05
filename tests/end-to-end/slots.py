# SPDX-License-Identifier: Apache-2.0
"""An endpoint that left is counted until its last flow is forgotten; whoever gets its slot then starts from nothing."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(2)]
for web in webs:
    web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", webs[:1]))
mesh.configure(flows={"capacity": 1024, "timeouts": {"tcp_closed_s": 1}})
mesh.start_weftd()
client.run("curl", "-sS", "-m", "10", "-H", "Connection: close", "http://10.96.0.10/?[1-20]")
assert mesh.ctl("show", "endpoints")[0]["flows"] == 20
# How full what is bounded is.
snapshot, worker = mesh.ctl("show", "snapshot"), mesh.ctl("show", "workers")[0]
assert (snapshot["services"], snapshot["services_limit"]) == (1, 16384), snapshot
assert (snapshot["endpoints"], snapshot["endpoints_limit"]) == (1, 131072), snapshot
assert worker["flows"] <= 20 < worker["flow_capacity"] and worker["buffers_free"] < worker["buffers"], worker

mesh.update("web.yaml", mesh.service("web", "10.96.0.10"))
assert mesh.ctl("show", "snapshot")["lingering_endpoints"] == 1
lab.wait_until("the flows are forgotten", lambda: mesh.ctl("show", "snapshot")["lingering_endpoints"] == 0, 20)
mesh.update("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", webs[1:]))
endpoint, = mesh.ctl("show", "endpoints")
assert endpoint["endpoint"] == "web1" and endpoint["flows"] == endpoint["bytes_out"] == 0, endpoint
assert client.run("curl", "-sS", "-m", "10", "http://10.96.0.10/") == "web1\n"
assert mesh.ctl("show", "endpoints")[0]["flows"] == 1
mesh.check_books()
