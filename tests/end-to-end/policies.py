# SPDX-License-Identifier: Apache-2.0
"""What a service's owner may ask for, seen by real connections: session affinity, source ranges, rates of new flows and a
limit of flows, each without harm to the service beside it."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
sources = [f"10.1.0.{1 + i}" for i in range(9)]
for source in sources[1:]:
    client.run("ip", "address", "add", source + "/32", "dev", "eth0")
    lab.run("ip", "route", "add", source + "/32", "dev", client.interface)
webs = [mesh.pod(f"web{i}", f"10.1.0.{50 + i}") for i in range(3)]
for web in webs:
    web.serve_http()

vips = {}
def service(name, number, policy=None, **spec):
    vips[name] = f"10.96.0.{number}"
    mesh.put(f"{name}.yaml", mesh.service(name, vips[name], **spec), mesh.slice(name, webs),
             *([mesh.policy(name, **policy)] if policy else []))

service("plain", 10)
service("sticky", 11, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 600}})
service("inner", 12, loadBalancerSourceRanges=["10.1.0.0/30"])
service("choosy", 13, {"sources": {"deny": ["10.1.0.2"]}})
service("slow", 14, {"limits": {"newFlows": {"perSecond": 1, "burst": 5}}})
service("fair", 15, {"limits": {"newFlowsPerSource": {"perSecond": 1, "burst": 3}}})
service("small", 16, {"limits": {"flows": 3}})
mesh.configure(flows={"capacity": 65536, "timeouts": {"tcp_closed_s": 1, "tcp_closing_s": 1, "tcp_reset_s": 1}})
mesh.start_weftd()

def ask(name, source=sources[0], count=1, seconds=5):
    """@returns the pods that answered, one a connection"""
    said = client.run("curl", "-sS", "-m", seconds, "--interface", source, "-H", "Connection: close",
                      f"http://{vips[name]}/?[1-{count}]", check=False)
    return [line for line in said.splitlines() if line.startswith("web")]

# A client's address stays with one endpoint, and addresses are spread; without, a client's connections are.
assert len(set(ask("plain", count=40))) == 3
homes = {source: set(ask("sticky", source, 10)) for source in sources}
assert all(len(pods) == 1 for pods in homes.values()), homes
assert len(set.union(*homes.values())) > 1, homes
# Also when an endpoint joins that the hash would send some of them to.
late = mesh.pod("web3", "10.1.0.60")
late.serve_http()
mesh.ctl("pod", "attach", "netns", "web3")
mesh.update("sticky.yaml", mesh.service("sticky", vips["sticky"], sessionAffinity="ClientIP"),
            mesh.slice("sticky", [*webs, late]))
assert {source: set(ask("sticky", source, 5)) for source in sources} == homes

# Source ranges.
assert ask("inner", "10.1.0.3") and not ask("inner", "10.1.0.4", seconds=0.3)
assert ask("choosy", "10.1.0.3") and not ask("choosy", "10.1.0.2", seconds=0.3)
assert mesh.verdict("not_permitted") >= 2

# A rate of the service, and of each source: SYNs past it drop, and what was refused comes through when it comes again.
assert len(ask("slow", count=5)) == 5
assert not ask("slow", seconds=0.2) or mesh.verdict("over_service_rate") > 0
lab.wait_until("the rate is passed", lambda: mesh.verdict("over_service_rate") > 0 or not ask("slow", seconds=0.2))
assert len(ask("plain", count=20)) == 20
assert ask("slow", seconds=10), "TCP sends its SYN again"
assert len(ask("fair", sources[1], 3)) == 3
lab.wait_until("the source's rate is passed",
               lambda: mesh.verdict("over_source_rate") > 0 or not ask("fair", sources[1], seconds=0.2))
assert mesh.verdict("over_source_rate") > 0
assert len(ask("fair", sources[2], 3)) == 3, "another source has a rate of its own"

# A bulkhead: three connections at one time. The fourth is refused at once, and nobody else notices.
held = [client.start("curl", "-sS", "--limit-rate", "50k", "-o", "/dev/null", f"http://{vips['small']}/stream")
        for _ in range(3)]
def flows():
    return sum(1 for flow in mesh.ctl("show", "flows", "service", "small") if flow["state"] == "established")
lab.wait_until("three are held", lambda: flows() == 3)
refused = client.run("curl", "-sS", "-m", "5", f"http://{vips['small']}/", check=False)
assert "refused" in refused or "Couldn't connect" in refused, refused
assert mesh.verdict("refused_over_limit") == 1
assert len(ask("plain", count=100)) == 100
assert all(process.running() for process in held) and flows() == 3
held[0].stop()
lab.wait_until("there is room again", lambda: ask("small", seconds=2), 20)
mesh.check_books()
