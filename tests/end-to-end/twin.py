# SPDX-License-Identifier: Apache-2.0
"""An uplink with a kernel twin: the kernel answers ARP and ping on it, its routes and neighbours are weft's, clients on the
link and behind a gateway reach a service, an established flow follows a route that changes, and what is not weft's is bounded."""

import lab

lab.enter()
node = lab.Namespace(None, "node")
mesh = lab.Lab("node")
switch = lab.Namespace(mesh, "switch")
switch.run("ip", "link", "add", "lan", "type", "bridge")
switch.run("ip", "link", "set", "lan", "up")

def plug(machine, interface, *addresses):
    lab.cable(switch, f"to-{machine.name}", machine, interface)
    switch.run("ip", "link", "set", f"to-{machine.name}", "master", "lan")
    for address in addresses:
        machine.run("ip", "address", "add", address, "dev", interface)

class Machine(lab.Namespace):
    def __init__(self, name, address):
        super().__init__(mesh, name)
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        plug(self, "eth0", address + "/24")
        self.address = address
        self.run("ip", "route", "add", "10.96.0.0/16", "via", "192.0.2.1")

plug(node, "nic0")
near, web = Machine("near", "192.0.2.10"), Machine("web", "192.0.2.20")
routers = [Machine("r1", "192.0.2.31"), Machine("r2", "192.0.2.32")]
# A client behind both routers: what it sends goes by the first.
far = lab.Namespace(mesh, "far")
far.run("ip", "address", "add", "10.9.0.1/32", "dev", "lo")
for number, router in enumerate(routers):
    lab.cable(router, "south", far, f"north{number}")
    router.run("ip", "address", "add", f"10.8.{number}.1/24", "dev", "south")
    far.run("ip", "address", "add", f"10.8.{number}.2/24", "dev", f"north{number}")
    far.run("sysctl", "-qw", f"net.ipv4.conf.north{number}.rp_filter=0", "net.ipv4.conf.all.rp_filter=0")
    router.run("ip", "route", "add", "10.9.0.1/32", "via", f"10.8.{number}.2")
far.run("ip", "route", "add", "default", "via", "10.8.0.1", "src", "10.9.0.1")

web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]),
         {"apiVersion": "weft.dev/v1", "kind": "ServicePolicy", "metadata": {"name": "web"},
          "spec": {"targetRef": {"group": "", "kind": "Service", "name": "web"}, "forwarding": {"mode": "fullnat"}}})
mesh.configure(pods=None, snat={"addresses": ["192.0.2.2"]}, workers={"cores": [0, 1]}, memory={"megabytes": 256},
               ports=[{"name": "uplink", "device": "net_af_xdp0,iface=nic0", "queues": 1,
                       "twin": {"name": "up0", "addresses": ["192.0.2.1/24", "192.0.2.2/32"], "packets_per_second": 50}}])
mesh.start_weftd()

# The twin is the uplink, to the kernel: its address, its MTU; ARP and ping are the kernel's.
twin = lab.json.loads(node.run("ip", "-json", "link", "show", "up0"))[0]
nic = lab.json.loads(node.run("ip", "-json", "link", "show", "nic0"))[0]
assert (twin["address"], twin["mtu"]) == (nic["address"], nic["mtu"]), (twin, nic)
near.run("ping", "-c", "2", "-i", "0.1", "-W", "5", "192.0.2.1")
assert mesh.verdict("passed") > 0 and mesh.verdict("from_kernel") > 0

def neighbours():
    return {row["address"]: row["state"] for row in mesh.ctl("show", "neighbours")}

# The endpoint was resolved ahead; the kernel itself never sent it a packet.
lab.wait_until("the endpoint is resolved", lambda: neighbours().get("192.0.2.20") in ("good", "stale"))
def fetch(client, *options, seconds=20):
    return client.run("curl", "-sS", "-m", str(seconds), *options, "http://10.96.0.10/", check=False)
assert fetch(near) == "web\n", mesh.text("show", "drops")

# A client on the link whom the kernel does not know, as nothing of its came to the twin: weft has it asked for.
node.run("ip", "neigh", "flush", "dev", "up0", "to", "192.0.2.10")
near.run("ip", "neigh", "replace", "192.0.2.1", "lladdr", nic["address"], "dev", "eth0", "nud", "permanent")
lab.wait_until("the client is forgotten", lambda: neighbours().get("192.0.2.10", "failed") == "failed", 40)
assert fetch(near) == "web\n"
assert neighbours()["192.0.2.10"] in ("good", "stale"), neighbours()

# A client behind a gateway: no way back until the kernel has a route.
assert not fetch(far, seconds=0.5).startswith("web")
assert mesh.verdict("no_next_hop") > 0
def route_to_far_over(router):
    node.run("ip", "route", "replace", "10.9.0.0/16", "via", router.address)
    lab.wait_until("weft has the route",
                   lambda: [row["via"] for row in mesh.ctl("show", "routes", "10.9.0.1")] == [router.address])
    lab.wait_until("its gateway is resolved", lambda: neighbours().get(router.address) in ("good", "stale"))
route_to_far_over(routers[0])
assert fetch(far) == "web\n"

# An established connection follows the route: the second router starts to see its replies, and nothing is lost for long.
def through(router):
    return lab.json.loads(router.run("ip", "-json", "-s", "link", "show", "south"))[0]["stats64"]["tx"]["packets"]
download = far.start("curl", "-sS", "-m", "60", "--fail", "--limit-rate", "8M", "-o", "/dev/null", "http://10.96.0.10/stream")
started = through(routers[0])
lab.wait_until("the download runs", lambda: through(routers[0]) > started + 200)
assert through(routers[1]) < 100, "nothing goes by the second router yet"
route_to_far_over(routers[1])
moved = through(routers[1])
lab.wait_until("the download goes by the second router", lambda: through(routers[1]) > moved + 200)
assert download.popen.wait(60) == 0, download.log.read_text()
assert [row["flows"] for row in mesh.ctl("show", "services")][0] > 0

# A flood of what is not weft's takes its share and no more; the service goes on, and the rest is counted.
flood = near.start("ping", "-f", "-q", "-c", "1000000", "-s", "8", "192.0.2.1")
lab.wait_until("the flood is bounded", lambda: mesh.verdict("kernel_limited") > 100)
assert fetch(far) == "web\n"
# ARP has a share of its own: who forgot the node's address learns it in the middle of the flood.
web.run("ip", "neigh", "flush", "dev", "eth0", "to", "192.0.2.1")
web.run("ping", "-c", "1", "-W", "0.1", "192.0.2.1", check=False)
lab.wait_until("the node's address is known again", lambda: "lladdr" in web.run("ip", "neigh", "show", "192.0.2.1"))
assert flood.running()
flood.kill()
mesh.check_books()

# Orderly to the end: the twin goes with weftd.
assert mesh.weftd.stop() == 0, mesh.weftd_log()
assert "up0" not in node.run("ip", "link", "show")
