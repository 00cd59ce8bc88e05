# SPDX-License-Identifier: Apache-2.0
"""Processes of the host reach services too: routes over weft0 lead to the worker that owns the connection."""

import json

import lab

lab.enter()
mesh = lab.Lab()
lab.write("/proc/sys/net/ipv4/conf/all/rp_filter", "1")  # as many distributions have it
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(2)]
for web in webs:
    web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", webs))
mesh.configure(workers={"cores": [0, 1, 0]}, memory={"megabytes": 256}, pods={"host_routes": ["10.96.0.0/16"]})
mesh.start_weftd()

def fetch(count):
    return lab.run("curl", "-sS", "-m", "60", "--fail", "-H", "Connection: close", f"http://10.96.0.10/?[1-{count}]").split()

answers = fetch(90)
assert len(answers) == 90 and set(answers) == {"web0", "web1"}, answers
workers = mesh.ctl("show", "workers")
assert sum(worker["flows"] for worker in workers) == 90, "a flow that two workers know was split"
assert all(worker["flows"] > 10 for worker in workers), [worker["flows"] for worker in workers]
assert mesh.ebpf("from_host_redirected_request") > 90 * 4

# A large body comes whole, checksums and segments and all.
size = lab.run("curl", "-sS", "-m", "60", "-o", "/dev/null", "-w", "%{size_download}", "http://10.96.0.10/stream")
assert size == str(64 << 20), size

lab.wait_until("the host's connections are over", lambda: not lab.run("ss", "-tnH", "exclude", "time-wait", "dst", "10.96.0.10"))

# A pod's traffic for the first worker goes through weft0's egress too, and counts as the pod's alone.
def host_counts():
    return mesh.ebpf("from_host_redirected_request"), mesh.ebpf("from_host_dropped_not_mesh")


def is_counted_as_the_pods():
    before = host_counts()
    assert webs[0].run("curl", "-sS", "-m", "5", "http://10.96.0.10/") == "web1\n"
    return before == host_counts()


lab.wait_until("nothing but a pod's traffic comes, and none of it counts as the host's", is_counted_as_the_pods)

# An address that is routed here and is no VIP leads nowhere, and not in a circle.
lab.run("curl", "-sS", "-m", "0.3", "http://10.96.0.99/", check=False)
assert mesh.ebpf("from_host_dropped_not_mesh") > 0
mesh.check_books()

# A route that is taken is left alone; ours goes with weft0.
assert mesh.weftd.stop() == 0
routes = [route["dst"] for route in json.loads(lab.run("ip", "-j", "route"))]
assert "10.96.0.0/16" not in routes, routes
lab.run("ip", "route", "add", "10.96.0.0/16", "dev", webs[0].interface)
failed = lab.subprocess.run([lab.BUILD / "weftd", "--config", mesh.config_file], stdout=lab.subprocess.PIPE,
                            stderr=lab.subprocess.STDOUT, text=True, timeout=30)
assert failed.returncode == 69 and "pods.host_routes: there is a route to 10.96.0.0/16 already" in failed.stdout, failed
assert not lab.pathlib.Path("/sys/fs/bpf/weft").exists(), "pins were left behind"
