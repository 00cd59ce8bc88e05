# SPDX-License-Identifier: Apache-2.0
"""Two weft nodes announce their services by BGP, each with BIRD on its uplink's kernel twin; a router spreads clients over both.
One node dies: clients go on with the other, and a download by direct server return does not even break. It comes back, and both
work again."""

import threading
import time

import lab

lab.enter()
VIP, DIRECT_VIP = "10.96.0.10", "10.96.0.20"
lab.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")

# The node with the pods: the lab's own network. Direct server return ends there.
home = lab.Lab()
pods = [home.pod(f"pod{i}", f"10.1.0.{10 + i}") for i in range(2)]
for pod in pods:
    pod.run("ip", "address", "add", DIRECT_VIP + "/32", "dev", "lo")
    pod.serve_http()

def machine(name):
    namespace = lab.Namespace(home, name)
    namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                  "net.ipv4.fib_multipath_hash_policy=1")
    return namespace

router, client, web = machine("router"), machine("client"), machine("web")
for end, network in ((client, "10.9.0"), (web, "10.2.0")):
    lab.cable(router, f"to-{end.name}", end, "eth0")
    router.run("ip", "address", "add", network + ".254/24", "dev", f"to-{end.name}")
    end.run("ip", "address", "add", network + ".1/24", "dev", "eth0")
    end.run("ip", "route", "add", "default", "via", network + ".254")
web.address = "10.2.0.1"
web.serve_http()
lab.run("ip", "link", "add", "to-home", "netns", "router", "type", "veth", "peer", "nic")
router.run("ip", "address", "add", "10.0.0.1/30", "dev", "to-home")
router.run("ip", "link", "set", "to-home", "up")
lab.run("ip", "address", "add", "10.0.0.2/30", "dev", "nic")
lab.run("ip", "link", "set", "nic", "up")
lab.run("ip", "route", "add", "default", "via", "10.0.0.1")
router.run("ip", "route", "add", "10.1.0.0/24", "via", "10.0.0.2")

def policy(name, mode):
    return {"apiVersion": "weft.dev/v1", "kind": "ServicePolicy", "metadata": {"name": name},
            "spec": {"targetRef": {"group": "", "kind": "Service", "name": name}, "forwarding": {"mode": mode}}}

services = [home.service("web", VIP), home.slice("web", [web]), policy("web", "fullnat"),
            home.service("direct", DIRECT_VIP, 8080), home.slice("direct", pods), policy("direct", "dsr")]
home.put("mesh.yaml", *services)
home.configure(pods={"nics": ["nic"]})
home.start_weftd()

def bird(namespace, text):
    config = home.folder / f"bird-{namespace.name}.conf"
    lab.write(config, f"log stderr all;\nprotocol device {{ scan time 1; }}\n"
                      f"protocol bfd {{ interface \"*\" {{ interval 200 ms; multiplier 4; }}; }}\n{text}")
    return namespace.start("bird", "-f", "-c", config, "-s", home.folder / f"bird-{namespace.name}.ctl",
                           "-P", home.folder / f"bird-{namespace.name}.pid")

TIMERS = "bfd on; connect delay time 1; connect retry time 1; error wait time 1, 2; startup hold time 10;"
nodes = []
for number in (1, 2):
    place = machine(f"node{number}")
    lab.cable(router, f"to-{place.name}", place, "nic0")
    place.run("sysctl", "-qw", "net.ipv6.conf.nic0.disable_ipv6=1")
    router.run("ip", "address", "add", f"10.0.{number}.1/30", "dev", f"to-{place.name}")
    mesh = lab.Lab(place.name)
    mesh.put("mesh.yaml", *services)
    mesh.configure(pods=None, snat={"addresses": [f"10.97.{number}.1"]}, tunnels={"sources": [f"10.97.{number}.16/28"]},
                   ports=[{"name": "uplink", "device": "net_af_xdp0,iface=nic0",
                           "twin": {"name": "up0", "addresses": [f"10.0.{number}.2/30"]}}])
    mesh.start_weftd()
    bird(place, f"""router id 10.0.{number}.2;
protocol static {{ ipv4; route {VIP}/32 blackhole; route {DIRECT_VIP}/32 blackhole; route 10.97.{number}.0/24 blackhole; }}
protocol kernel {{ ipv4 {{ import none; export where source = RTS_BGP; }}; }}
protocol bgp uplink {{
  local 10.0.{number}.2 as 64501; neighbor 10.0.{number}.1 as 64500; {TIMERS}
  ipv4 {{ import all; export where source = RTS_STATIC; }};
}}""")
    nodes.append(mesh)
bird(router, "router id 10.0.0.1;\nprotocol static { ipv4; route 0.0.0.0/0 unreachable; }\n"
             "protocol kernel { merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }\n"
     + "".join(f"""protocol bgp node{number} {{
  local 10.0.{number}.1 as 64500; neighbor 10.0.{number}.2 as 64501; {TIMERS}
  ipv4 {{ import all; export where source = RTS_STATIC; }};
}}
""" for number in (1, 2)))

def ways(destination):
    routes = lab.json.loads(router.run("ip", "-json", "route", "show", destination))
    return sum(len(route.get("nexthops", [route])) for route in routes)

def both_announce():
    return ways(VIP) == 2 and ways(DIRECT_VIP) == 2
lab.wait_until("both nodes announce the services", both_announce, 30)
for mesh in nodes:
    lab.wait_until("the node's way to the network is resolved", lambda: any(
        row["state"] in ("good", "stale") for row in mesh.ctl("show", "neighbours")))
    assert [row["destination"] for row in mesh.ctl("show", "routes", "10.9.0.1")] == ["0.0.0.0/0"], mesh.text("show", "routes")

def fetch(count, seconds=30):
    return client.run("curl", "-sS", "-m", seconds, "-H", "Connection: close", f"http://{VIP}/?[1-{count}]", check=False).split()

def flows(mesh, service):
    return sum(row["flows"] for row in mesh.ctl("show", "services") if row["service"].endswith(service))

# Traffic over both.
assert fetch(60) == ["web"] * 60
begun = [flows(mesh, "web") for mesh in nodes]
assert sum(begun) == 60 and min(begun) > 5, begun

# A download that runs, by one of them; and clients that come and go.
download = client.start("curl", "-sS", "-m", "100", "--fail", "--limit-rate", "4M", "-o", home.folder / "body",
                        f"http://{DIRECT_VIP}:8080/stream")
def downloaded():
    body = home.folder / "body"
    return body.stat().st_size if body.exists() else 0
lab.wait_until("the download runs", lambda: downloaded() > 1 << 20, 20)
carrier = next(mesh for mesh in nodes if mesh.ctl("show", "flows", "service", "default/direct"))
survivor = next(mesh for mesh in nodes if mesh is not carrier)
assert not survivor.ctl("show", "flows", "service", "default/direct"), "one connection, one node"

successes, stopping = [], threading.Event()
def keep_fetching():
    while not stopping.is_set():
        if fetch(1, 0.5) == ["web"]:
            successes.append(time.monotonic())
clients = [threading.Thread(target=keep_fetching) for _ in range(3)]
for each in clients:
    each.start()
lab.wait_until("clients are served", lambda: len(successes) > 20)

carrier.weftd.kill()
died = time.monotonic()
lab.wait_until("the router has one way left", lambda: ways(VIP) == 1 and ways(DIRECT_VIP) == 1, 20)
withdrawn = time.monotonic() - died
at_withdrawal = downloaded()
lab.wait_until("the download goes on", lambda: downloaded() > at_withdrawal + (2 << 20), 20)
count = len(successes)
lab.wait_until("clients go on", lambda: len(successes) > count + 30, 20)
stopping.set()
for each in clients:
    each.join()
gap = max(later - earlier for earlier, later in zip(successes, successes[1:]))
assert survivor.ctl("show", "workers")[0]["adopted_flows"] > 0, "the download's flow was adopted in mid-connection"
assert download.running()
print(f"a node died: withdrawn after {withdrawn:.1f} s, longest time in which none of {len(clients)} clients was served {gap:.1f} s")
assert gap < 5, gap

# It comes back, with the twin and its address; BIRD finds the interface by itself.
carrier.start_weftd()
lab.wait_until("both nodes announce the services again", both_announce, 30)
before = [flows(mesh, "web") for mesh in nodes]
assert fetch(60) == ["web"] * 60
assert min(flows(mesh, "web") - was for mesh, was in zip(nodes, before)) > 5
assert download.popen.wait(60) == 0, download.log.read_text()
assert downloaded() == 64 << 20
for mesh in [home, *nodes]:
    mesh.check_books()
    assert mesh.weftd.stop() == 0, mesh.weftd_log()
