# SPDX-License-Identifier: Apache-2.0
"""A restart while etcd is away, without a cache: what the weftd before had steered stays so, and nobody is refused."""

import etcd
import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
store = etcd.Etcd(mesh, members=1)
store.service(mesh.service("web", "10.96.0.10"))
store.instance("web", web)
mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": store.urls(), "timeout_ms": 1000}, "cache": ""})
mesh.start_weftd()

def fetch(seconds):
    return client.run("curl", "-sS", "-m", str(seconds), "http://10.96.0.10/", check=False)

assert fetch(10) == "web\n"
mesh.weftd.kill()
store.kill(0)
mesh.start_weftd(attach=False)
shown = mesh.ctl("show", "registry")
assert shown["state"].startswith("not ready") and not shown["ready"], shown
assert mesh.metric("weft_registry_ready") == 0 and mesh.metric("weft_snapshot_services") == 0
# A connection that is begun now waits, as it does while no weftd is there; the kernel is not asked, and refuses nothing.
begun = client.start("curl", "-sS", "-m", "100", "http://10.96.0.10/")
refused = fetch(2)
assert "timed out" in refused.lower() or "timeout" in refused.lower(), refused
assert begun.running(), lab.pathlib.Path(begun.log).read_text()
store.start(0)
lab.wait_until("the registry is read", lambda: mesh.ctl("show", "registry")["ready"], 60)
lab.wait_until("who waited is served", lambda: not begun.running(), 90)
assert lab.pathlib.Path(begun.log).read_text() == "web\n", lab.pathlib.Path(begun.log).read_text()
assert fetch(10) == "web\n"

# Where nothing was left to keep, a node without a registry says so, and serves once it has one.
assert mesh.weftd.stop() == 0
store.kill(0)
mesh.start_weftd(attach=False)
assert not mesh.ctl("show", "registry")["ready"]
for pod in (client, web):
    mesh.ctl("pod", "attach", "netns", pod.name)
store.start(0)
lab.wait_until("it serves", lambda: fetch(5) == "web\n", 60)
# A node that waits ends as any other.
mesh.weftd.kill()
store.kill(0)
mesh.start_weftd(attach=False)
assert not mesh.ctl("show", "registry")["ready"]
assert mesh.weftd.stop() == 0
