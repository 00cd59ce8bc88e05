# SPDX-License-Identifier: Apache-2.0
"""A worker's interface that somebody sets down or deletes is noticed, said, and its traffic's drops are counted; and two
weftds never share interfaces."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
mesh.start_weftd()

def fetch():
    return client.run("curl", "-sS", "-m", "1", "http://10.96.0.10/", check=False)

def link():
    return mesh.ctl("show", "ports")[0]["link"]

assert fetch() == "web\n" and link() == "up"
for end in ("weft0", "weft0x"):
    before = mesh.ebpf("from_pod_dropped_no_worker")
    lab.run("ip", "link", "set", end, "down")
    lab.wait_until(f"{end} is noticed", lambda: link() == "down")
    assert fetch() != "web\n"
    assert mesh.ebpf("from_pod_dropped_no_worker") > before
    lab.run("ip", "link", "set", end, "up")
    lab.wait_until(f"{end} is noticed again", lambda: link() == "up")
    assert lab.wait_until("requests are answered", lambda: fetch() == "web\n")
assert "weft0 or weft0x was set down" in mesh.weftd_log() and "are up again" in mesh.weftd_log(), mesh.weftd_log()

# Another weftd with pins and a socket of its own, but the same prefix, leaves the first alone.
config = lab.json.loads(mesh.config_file.read_text())
config.update(socket=str(mesh.folder / "other.sock"), pods={"pins": "/sys/fs/bpf/other"})
other = mesh.folder / "other.yaml"
other.write_text(lab.json.dumps(config))
refused = lab.subprocess.run([lab.BUILD / "weftd", "--config", other], stdout=lab.subprocess.PIPE,
                             stderr=lab.subprocess.STDOUT, text=True, timeout=30)
assert refused.returncode == 69 and "another weftd has interfaces with the prefix `weft`" in refused.stdout, refused
assert "pods.prefix" in refused.stdout and fetch() == "web\n"
assert not lab.pathlib.Path("/sys/fs/bpf/other").exists(), "pins were left behind"

lab.run("ip", "link", "delete", "weft0")
lab.wait_until("the end is noticed", lambda: link() == "gone")
before = mesh.ebpf("from_pod_dropped_no_worker")
assert fetch() != "web\n" and mesh.ebpf("from_pod_dropped_no_worker") > before
assert "weft0 was deleted" in mesh.weftd_log()

# It ends in order, and the next one is whole.
assert mesh.weftd.stop() == 0
mesh.start_weftd()
assert fetch() == "web\n" and link() == "up"
