# SPDX-License-Identifier: Apache-2.0
"""No iptables, no nftables rule and no connection tracking has a part in it."""

import pathlib

import lab

def rules():
    return lab.run("nft", "list", "ruleset"), lab.run("iptables-legacy-save", check=False)

def tracked():
    count = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_count")
    return int(count.read_text()) if count.exists() else 0

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
mesh.start_weftd()
assert client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/") == "web\n"
for place in ([], *(["ip", "netns", "exec", pod] for pod in mesh.pods)):
    assert lab.run(*place, "nft", "list", "ruleset") == "", "there are nftables rules"
    legacy = lab.run(*place, "iptables-legacy-save", check=False)
    assert not [line for line in legacy.splitlines() if line.startswith("-A")], legacy
assert tracked() == 0, "the kernel tracks connections"
# The test itself can see a rule when there is one.
lab.run("nft", "add", "table", "ip", "seen")
assert "seen" in lab.run("nft", "list", "ruleset")
