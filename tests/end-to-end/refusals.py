# SPDX-License-Identifier: Apache-2.0
"""What a client is told when there is nobody to talk to, and what is dropped without a word."""

import time

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web], ready=False),
         mesh.service("log", "10.96.0.11", 514, "UDP"))
mesh.start_weftd()

def seconds_to_refuse(*command):
    start = time.monotonic()
    said = client.run(*command, check=False)
    assert "refused" in said or "Couldn't connect to server" in said, said
    return time.monotonic() - start

# No ready endpoint: TCP is reset, UDP gets port unreachable, at once.
assert seconds_to_refuse("curl", "-sS", "-m", "5", "http://10.96.0.10/") < 1
assert seconds_to_refuse("bash", "-c", "exec 3<>/dev/udp/10.96.0.11/514; echo a >&3; cat <&3") < 1
assert mesh.verdict("refused_no_endpoint") == 2
refused = {row["service"]: row["refused"] for row in mesh.ctl("show", "services")}
assert refused == {"default/web": 1, "default/log": 1}, refused

# No such port on a virtual address.
assert seconds_to_refuse("curl", "-sS", "-m", "5", "http://10.96.0.10:81/") < 1
assert mesh.verdict("refused_no_service_port") == 1

# The client is the only endpoint that there is.
mesh.update("self.yaml", mesh.service("self", "10.96.0.12"), mesh.slice("self", [client]))
assert seconds_to_refuse("curl", "-sS", "-m", "5", "http://10.96.0.12/") < 1
assert mesh.verdict("refused_only_itself") == 1

# A ready endpoint where nobody listens: its own reset comes through, from the virtual address.
mesh.update("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
assert seconds_to_refuse("curl", "-sS", "-m", "5", "http://10.96.0.10/") < 1
assert [flow["state"] for flow in mesh.ctl("show", "flows", "service", "web")] == ["reset"]

# A packet that is too large and may be cut up reaches the virtual address in fragments: dropped, and counted.
client.run("ping", "-c", "1", "-s", "3000", "-W", "0.2", "10.96.0.10", check=False)
lab.wait_until("the fragments are counted", lambda: mesh.verdict("fragment") == 3)
mesh.check_books()
