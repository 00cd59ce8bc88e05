# SPDX-License-Identifier: Apache-2.0
"""A pod sends mesh traffic from its own addresses only: identity hangs on it."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
thief = mesh.pod("thief", "10.1.0.2")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
mesh.start_weftd()
assert client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/") == "web\n"



def begun():
    """What SYNs have come to. Not all that was received: the last segments of an honest connection are on their way."""
    service = mesh.ctl("show", "services")[0]
    return service["flows"], service["refused"]


# The thief takes the client's address, and then an endpoint's.
for stolen, port in ((client.address, 12345), (web.address, 8080)):
    thief.run("ip", "address", "add", stolen + "/32", "dev", "eth0")
    before = mesh.ebpf("from_pod_dropped_spoofed")
    seen = begun()
    thief.run("curl", "-sS", "-m", "0.3", "--interface", stolen, "http://10.96.0.10/", check=False)
    lab.wait_until("the theft is counted", lambda: mesh.ebpf("from_pod_dropped_spoofed") > before)
    assert begun() == seen, "it reached a worker"
# As if it were the endpoint's answer.
before = mesh.ebpf("from_pod_dropped_spoofed")
thief.run("bash", "-c", f"socat -u /dev/null TCP4:10.1.0.77:999,bind={web.address}:8080,connect-timeout=0.3", check=False)
assert mesh.ebpf("from_pod_dropped_spoofed") > before

# Even by asking to be attached again: an address belongs to one pod.
refused = lab.run(lab.BUILD / "weftctl", "--socket", mesh.socket, "pod", "attach", "netns", "thief", check=False)
assert refused.startswith("error: ") and "10.1.0.1" in refused, refused

# Once detached, a pod's traffic is the kernel's, who knows no such address; attached again by interface, it works again.
mesh.ctl("pod", "detach", "client")
assert "client" not in [pod["netns"] for pod in mesh.ctl("pod", "list")]
passed = mesh.ctl("show", "drops")["received"]
client.run("curl", "-sS", "-m", "0.3", "http://10.96.0.10/", check=False)
assert mesh.ctl("show", "drops")["received"] == passed
attached = mesh.ctl("pod", "attach", "interface", client.interface)
assert attached[0]["netns"] == "client" and attached[0]["addresses"] == ["10.1.0.1"], attached
assert client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/") == "web\n"
mesh.check_books()
