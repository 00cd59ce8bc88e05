# SPDX-License-Identifier: Apache-2.0
"""A NIC that stays with the kernel: replies of remote endpoints come back through it to their flows, outside clients reach
services, and both go on over a crash."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
# Another machine, as far as this node can tell: its veth's host end is the NIC.
remote = lab.Pod(mesh, "remote", "10.2.0.10")
remote.serve_http()
nic = remote.interface
local = mesh.service("local", "10.96.0.20"), mesh.slice("local", [web])
mesh.put("web.yaml", mesh.service("far", "10.96.0.10"), mesh.slice("far", [remote]), *local)
mesh.configure(workers={"cores": [0, 1]}, memory={"megabytes": 256}, pods={"nics": [nic]})
mesh.start_weftd()

assert [row["interface"] for row in mesh.ctl("nic", "list")] == [nic]

def works():
    far = client.run("curl", "-sS", "-m", "10", "-H", "Connection: close", "http://10.96.0.10/?[1-20]", check=False)
    near = remote.run("curl", "-sS", "-m", "10", "-H", "Connection: close", "http://10.96.0.20/?[1-20]", check=False)
    return far.split() == ["remote"] * 20 and near.split() == ["web"] * 20

assert works()
assert mesh.ebpf("from_nic_redirected_reply") > 0 and mesh.ebpf("from_nic_redirected_request") > 0
size = client.run("curl", "-sS", "-m", "60", "-o", "/dev/null", "-w", "%{size_download}", "http://10.96.0.10/stream")
assert size == str(64 << 20), size

# What is not the mesh's goes its own way.
received = mesh.ctl("show", "drops")["received"]
client.run("ping", "-c", "1", "-W", "5", remote.address)
assert mesh.ctl("show", "drops")["received"] == received

# A crash leaves it attached; the next weftd takes it over, and its configuration names it again.
mesh.weftd.kill()
mesh.start_weftd(attach=False)
assert [row["interface"] for row in mesh.ctl("nic", "list")] == [nic]
assert works()

# Without the NIC, the reply comes to the client under the endpoint's own address: nobody's.
mesh.ctl("nic", "detach", nic)
assert not client.run("curl", "-sS", "-m", "0.5", "http://10.96.0.10/", check=False).startswith("remote")
mesh.ctl("nic", "attach", nic)
assert works()
mesh.check_books()

# A NIC that goes is forgotten.
lab.run("ip", "link", "delete", nic)
lab.wait_until("the NIC is forgotten", lambda: mesh.ctl("nic", "list") == [])
assert mesh.weftd.stop() == 0
assert "clsact" not in lab.run("tc", "qdisc", "show"), "a qdisc was left behind"
