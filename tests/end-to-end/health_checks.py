# SPDX-License-Identifier: Apache-2.0
"""Endpoints that die, hang and answer 500 get no more traffic though the registry says that they are ready, and get it again
when they recover and the registry still says so."""

import json
import os
import signal

import lab

FALL, RISE = 3, 1

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(4)]
servers = {web.name: web.serve_http() for web in webs}
PACE = {"interval": "500ms", "timeout": "500ms", "fall": FALL, "rise": RISE}
web = mesh.service("web", "10.96.0.10")
check = mesh.policy("web", healthCheck={"http": {"path": "/"}, **PACE})
tcp = mesh.service("plain", "10.96.0.11"), mesh.policy("plain", healthCheck={"tcp": {}, **PACE}), mesh.slice("plain", webs)
mesh.put("web.yaml", web, check, mesh.slice("web", webs))
mesh.put("plain.yaml", *tcp)
mesh.start_weftd()


def rows(service):
    return {row["endpoint"]: row for row in mesh.ctl("show", "endpoints", service)}


def wait_for(service, **states):
    """By endpoint; those that are not named are ready."""
    wanted = {web.name: states.get(web.name, "ready") for web in webs}
    lab.wait_until(f"{service} has {wanted}", lambda: {name: row["state"] for name, row in rows(service).items()} == wanted, 30)


def answers(count=40):
    """Who answers that many requests, each over a connection of its own."""
    said = client.run("sh", "-c", f"for i in $(seq {count}); do curl -sS --max-time 5 http://10.96.0.10/ || echo failed; done")
    return set(said.split())


def signal_server(name, number):
    """To nginx's master and its worker."""
    pids = [servers[name].pid, *map(int, lab.run("pgrep", "-P", str(servers[name].pid)).split())]
    for pid in pids:
        os.kill(pid, number)


everybody = {web.name for web in webs}
lab.wait_until("all pass", lambda: all(row["check"] == "passing" for row in rows("web").values()), 30)
assert answers() <= everybody

# It hangs: the kernel still accepts, so that a TCP check passes, and HTTP's does not.
signal_server("web0", signal.SIGSTOP)
wait_for("web", web0="not ready")
assert rows("web")["web0"]["why"] == "check: no response within 500 ms", rows("web")["web0"]
assert rows("plain")["web0"]["state"] == "ready"
assert answers() == everybody - {"web0"}

# It dies: both notice.
signal_server("web1", signal.SIGKILL)
wait_for("web", web0="not ready", web1="not ready")
wait_for("plain", web1="not ready")
assert rows("plain")["web1"]["why"] == "check: connecting: Connection refused", rows("plain")["web1"]
assert answers() <= {"web2", "web3"}

# It answers, but not as it should.
page = mesh.folder / "nginx-web2" / "www" / "index.html"
text = page.read_text()
page.unlink()
wait_for("web", web0="not ready", web1="not ready", web2="not ready")
assert rows("web")["web2"]["why"].startswith("check: status 403"), rows("web")["web2"]
assert answers() == {"web3"}
shown = mesh.ctl("show", "services", "web")[0]
assert (shown["endpoints"], shown["ready"], shown["failing_checks"]) == (4, 1, 3), shown

# All recover, but of one the registry says that it is not ready: recovery needs both.
mesh.update("web.yaml", web, check, mesh.slice("web", [pod for pod in webs if pod.name != "web2"]),
            {**mesh.slice("web", [webs[2]], ready=False), "metadata": {
                "name": "web2", "labels": {"kubernetes.io/service-name": "web"}}})
page.write_text(text)
signal_server("web0", signal.SIGCONT)
servers["web1"] = webs[1].serve_http()
wait_for("web", web2="not ready")
lab.wait_until("web2's check passes", lambda: rows("web")["web2"]["check"] == "passing", 30)
assert rows("web")["web2"]["why"] == "not ready in the registry", rows("web")["web2"]
assert answers() == everybody - {"web2"}
mesh.update("web.yaml", web, check, mesh.slice("web", webs))
wait_for("web")

# If all fail, nobody gets anything, and that is how it is said.
mesh.update("web.yaml", web, mesh.policy("web", healthCheck={"tcp": {"port": 9}, **PACE}), mesh.slice("web", webs))
wait_for("web", **{web.name: "not ready" for web in webs})
assert mesh.ctl("show", "services", "web")[0]["ready"] == 0
said = answers(3)
assert "failed" in said and not said & everybody, said
checks = mesh.ctl("show", "checks", "web")
assert checks["inconclusive"] == 0 and {row["check"] for row in checks["checks"]} == {
    f"tcp://{web.address}:9" for web in webs}, json.dumps(checks)
assert "http://" not in mesh.text("show", "checks", "web")

# Without a check the registry's word is all there is.
mesh.update("web.yaml", web, mesh.slice("web", webs))
wait_for("web")
assert answers() <= everybody

mesh.check_books()
