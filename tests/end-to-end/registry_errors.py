# SPDX-License-Identifier: Apache-2.0
"""A bad edit is named by file, line and field; what was in force stays; a good edit brings all up to date."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
mesh.configure(snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()

def works():
    return client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/") == "web\n"

SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: other
spec:
  clusterIP: 10.96.0.11
  ports:
  - port: 80
"""
BAD = {
    "a syntax error": (SERVICE + "  - port: [\n", "other.yaml:"),
    "an unknown field": (SERVICE.replace("clusterIP", "clusterIp"), "other.yaml:6: spec.clusterIp: "),
    "a wrong type": (SERVICE.replace("port: 80", "port: eighty"), 'other.yaml:8: spec.ports[0].port: expected an integer from 1 to 65535, got "eighty"'),
    "no address": (SERVICE.replace("10.96.0.11", "10.96.0.300"), "other.yaml:6: spec.clusterIP: "),
    "a duplicate address": (SERVICE.replace("10.96.0.11", "10.96.0.10"), "default/web"),
    "an address of the node's own": (SERVICE.replace("10.96.0.11", "10.9.0.1"), "other.yaml:1: spec.clusterIP: 10.9.0.1 of service default/other is an address of this node's own: snat.addresses has it"),
    "a port out of range": (SERVICE.replace("port: 80", "port: 65536"), 'other.yaml:8: spec.ports[0].port: expected an integer from 1 to 65535, got "65536"'),
    "a field that weft does not implement": (SERVICE + "  externalName: x\n", "other.yaml:9: spec.externalName: "),
}
assert works()
for what, (text, message) in BAD.items():
    (mesh.registry / "other.yaml").write_text(text)
    errors = lab.wait_until(f"{what} is reported", lambda: [
        error for error in mesh.ctl("show", "snapshot")["errors"] if message in error])
    print(f"{what}: {errors[0]}")
    snapshot = mesh.ctl("show", "snapshot")
    assert "stale" in snapshot["state"], snapshot
    assert snapshot["epoch"] == 1, f"{what} changed what is in force"
    said = lab.run(lab.BUILD / "weftd", "--config", mesh.config_file, "--check", check=False)
    assert message in said and "not good" in said, said
    (mesh.registry / "other.yaml").write_text("")
    lab.wait_until("the registry is good again", lambda: mesh.ctl("show", "snapshot")["state"] == "current")
    assert works()

# A good one is in force at once; the folder's loss changes nothing but what is said about it.
mesh.update("other.yaml", mesh.service("other", "10.96.0.11"))
assert len(mesh.ctl("show", "services")) == 2
mesh.registry.rename(mesh.folder / "elsewhere")
lab.wait_until("the loss is reported", lambda: mesh.ctl("show", "snapshot")["errors"])
assert len(mesh.ctl("show", "services")) == 2 and works()
(mesh.folder / "elsewhere").rename(mesh.registry)
lab.wait_until("the registry is good again", lambda: mesh.ctl("show", "snapshot")["state"] == "current")
good = lab.run(lab.BUILD / "weftd", "--config", mesh.config_file, "--check")
assert "good: 2 services with 1 endpoint," in good, good
mesh.check_books()
