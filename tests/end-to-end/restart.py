# SPDX-License-Identifier: Apache-2.0
"""weftd stops without a trace; after a crash the next one takes the attached pods over."""

import json

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
links = lab.run("ip", "-o", "link").count("\n")
mesh.start_weftd()

def works():
    return client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/", check=False) == "web\n"

assert works()
mesh.weftd.kill()
mesh.start_weftd(attach=False)
assert [pod["netns"] for pod in mesh.ctl("pod", "list")] == ["client", "web"], mesh.text("pod", "list")
assert works()

# A pod that went away with its namespace is forgotten.
lab.run("ip", "netns", "delete", "client")
lab.wait_until("the pod is forgotten", lambda: [pod["netns"] for pod in mesh.ctl("pod", "list")] == ["web"])

assert mesh.weftd.stop() == 0
left = [link["ifname"] for link in json.loads(lab.run("ip", "-j", "link"))]
assert left == ["lo", "v-web"], left
assert not lab.pathlib.Path("/sys/fs/bpf/weft").exists(), "pins were left behind"
assert "clsact" not in lab.run("tc", "qdisc", "show"), "a qdisc was left behind"
assert not mesh.socket.exists(), "the socket was left behind"
