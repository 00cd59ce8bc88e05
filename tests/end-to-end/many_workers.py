# SPDX-License-Identifier: Apache-2.0
"""eBPF is the RSS: with several workers, requests and replies of a flow meet at the same one."""

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(2)]
for web in webs:
    web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", webs))
mesh.configure(workers={"cores": [0, 1, 0]}, memory={"megabytes": 256})
mesh.start_weftd()
answers = client.run("curl", "-sS", "-m", "60", "--fail", "-H", "Connection: close", "http://10.96.0.10/?[1-300]").split()
assert len(answers) == 300 and set(answers) == {"web0", "web1"}
workers = mesh.ctl("show", "workers")
assert len(workers) == 3
for worker in workers:
    assert worker["flows"] > 50, f"worker {worker['worker']} has {worker['flows']} of 300 flows"
    assert worker["received"] == worker["transmitted"] + worker["passed"] + worker["dropped"]
assert sum(worker["flows"] for worker in workers) == 300, "a flow that two workers know was split"
assert len(mesh.ctl("show", "flows", "limit", "1000")) == 300
mesh.check_books()
