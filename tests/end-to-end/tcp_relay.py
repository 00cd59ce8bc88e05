# SPDX-License-Identifier: Apache-2.0
"""TCP relayed (mode: proxy): weft's own TCP between real kernels' clients and endpoints, for both families and from one to
the other; bodies arrive unchanged, PROXY protocol tells the client, and nothing is left when all is over."""

import hashlib
import json
import random

import lab

# An nginx that takes PROXY protocol, says whom it was told of, and hands out and takes in files.
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; client_max_body_size 0;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 8081 proxy_protocol; listen [::]:8081 proxy_protocol;
           location / {{ return 200 "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr\\n"; }} }}
}}
"""

BODY = random.Random(1).randbytes(16 << 20)

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1", "fd00:1::1")
web = mesh.pod("web", "10.1.0.10", "fd00:1::10")
remote = lab.Pod(mesh, "remote", "10.2.0.10", "fd00:2::10")
for pod in (web, remote):
    pod.serve_http()
    pod.start("iperf3", "-s")
    lab.wait_until(f"iperf3 of {pod.name} listens", lambda: pod.run("ss", "-ltnH", "sport = :5201"))
    (mesh.folder / f"nginx-{pod.name}" / "www" / "body").write_bytes(BODY)
folder = mesh.folder / "nginx"
folder.mkdir()
lab.write(folder / "nginx.conf", NGINX.format(folder=folder))
web.start("nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf"))
lab.wait_until("nginx listens", lambda: web.run("ss", "-ltnH", "sport = :8081"))

OWN = {4: "10.9.0.1", 6: "fd00:9::1"}
proxied = {"forwarding": {"mode": "proxy"}}
vips = {}
for number, (pod, family, other) in enumerate(((web, 4, 4), (web, 6, 6), (remote, 4, 4), (remote, 6, 6), (web, 4, 6), (web, 6, 4))):
    name = f"{pod.name}{family}to{other}"
    vips[name] = f"10.96.0.{10 + number}" if family == 4 else f"fd00:96::{10 + number}"
    mesh.put(f"{name}.yaml", mesh.service(name, vips[name], app_protocol="tcp"), mesh.slice(name, [pod], family=other),
             mesh.policy(name, **proxied))
    mesh.put(f"speed-{name}.yaml", mesh.service(f"speed-{name}", vips[name], 5201, app_protocol="tcp"),
             mesh.slice(f"speed-{name}", [pod], 5201, family=other), mesh.policy(f"speed-{name}", **proxied))
for family, vip in ((4, "10.96.0.30"), (6, "fd00:96::30")):
    mesh.put(f"told{family}.yaml", mesh.service(f"told{family}", vip, app_protocol="tcp"), mesh.slice(f"told{family}", [web], 8081, family=family),
             mesh.policy(f"told{family}", forwarding={"mode": "proxy", "proxyProtocol": "v2"}))
mesh.put("nobody.yaml", mesh.service("nobody", "10.96.0.40", app_protocol="tcp"), mesh.slice("nobody", [web], 9999), mesh.policy("nobody", **proxied))
mesh.configure(workers={"cores": [0, 1]}, memory={"megabytes": 256}, pods={"nics": [remote.interface]},
               snat={"addresses": list(OWN.values())}, tcp={"time_wait_s": 1})
mesh.start_weftd()


def bracketed(address):
    return f"[{address}]" if ":" in address else address


for name, vip in vips.items():
    family = int(name[-1])
    head = client.run("curl", "-sS", "--fail", "-m", "20", "-D", "-", "-o", "/dev/null", "-H", "Connection: close",
                      f"http://{bracketed(vip)}/?[1-50]")
    assert head.count("X-Pod: ") == 50 and head.count(f"X-Client: {OWN[family]}\n") == 50, head[:500]
    client.run("curl", "-sS", "--fail", "-m", "20", "-o", mesh.folder / "got", f"http://{bracketed(vip)}/body")
    assert hashlib.sha256((mesh.folder / "got").read_bytes()).digest() == hashlib.sha256(BODY).digest(), name
    for direction in ([], ["-R"]):
        report = json.loads(client.run("iperf3", "-c", vip, "-n", "32M", "-J", *direction))
        assert "error" not in report and report["end"]["sum_received"]["bytes"] >= 16 << 20, (name, direction, report)

for vip, address in (("10.96.0.30", "10.1.0.1"), ("[fd00:96::30]", "fd00:1::1")):
    said = client.run("curl", "-sS", "--fail", "-m", "20", f"http://{vip}/")
    assert said.startswith(address + ":") and said.endswith(f" {vip.strip('[]')}\n"), said

# Nobody listens at the endpoint: the client is reset, and need not wait.
refused = client.run("curl", "-sS", "-m", "10", "http://10.96.0.40/", check=False)
assert "curl: (7)" in refused or "reset" in refused, refused
lab.wait_until("all connections are over", lambda: sum(row["active_flows"] for row in mesh.ctl("show", "services")) == 0, 20)
lab.wait_until("all ports are given back", lambda: sum(row["ports_in_use"] for row in mesh.ctl("show", "snat")) == 0, 20)
assert mesh.verdict("delivered") > 1000 and mesh.verdict("segment") > 1000
mesh.check_books()
