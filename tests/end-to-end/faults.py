# SPDX-License-Identifier: Apache-2.0
"""Faults that are injected on purpose, with nginx and curl: as a resource and live, seen by callers, by an operator and by the
protections that they are to rehearse; and that a live one ends by itself."""

import json
import subprocess
import time

import lab

lab.enter()
mesh = lab.Lab()
client, other = mesh.pod("client", "10.1.0.1"), mesh.pod("other", "10.1.0.2")
pods = [mesh.pod(f"w{n}", f"10.1.0.{10 + n}") for n in (1, 2)]
for pod in pods:
    pod.serve_http()
HTTP, PACKETS, RELAYED = "10.96.0.10", "10.96.0.20", "10.96.0.30"


def fault(name, service="web", **spec):
    return {"apiVersion": "weft.dev/v1", "kind": "FaultInjection", "metadata": {"name": name},
            "spec": {"targetRef": {"kind": "Service", "name": service}, **spec}}


mesh.put("web.yaml", mesh.service("web", HTTP, app_protocol="http"), mesh.slice("web", pods))
mesh.put("plain.yaml", mesh.service("plain", PACKETS, app_protocol="tcp"), mesh.slice("plain", pods))
mesh.put("relayed.yaml", mesh.service("relayed", RELAYED, app_protocol="tcp"), mesh.slice("relayed", pods),
         mesh.policy("relayed", forwarding={"mode": "proxy"}))
mesh.put("client.yaml", mesh.service("cart", "10.96.0.40"), mesh.slice("cart", [client], 9090))
mesh.put("rule.yaml", {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"},
                       "spec": {"host": "web", "trafficPolicy": {
                           "connectionPool": {"tcp": {"connectTimeout": "300ms"}}, "loadBalancer": {"simple": "ROUND_ROBIN"},
                           "outlierDetection": {"consecutive5xxErrors": 2, "baseEjectionTime": "300s", "maxEjectionPercent": 50}}}})
mesh.configure(snat={"addresses": ["10.9.0.1"]}, workers={"cores": [0, 1]}, faults={"max_percentage": 60})
mesh.start_weftd()
log = mesh.folder / "requests"
lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, "--json", "access"], log)
lab.wait_until("requests are followed", lambda: log.read_text().endswith("\n"))


def ask(pod=client, address=HTTP, *words, patience=20):
    """@returns status (0: none), seconds, and curl's exit code"""
    done = subprocess.run(pod.inside("curl", "-sS", "-m", str(patience), "-o", "/dev/null", "-w", "%{http_code} %{time_total}", *words,
                                     f"http://{address}/"), capture_output=True, text=True)
    status, seconds = done.stdout.split()
    return int(status), float(seconds), done.returncode


def refused(*words):
    done = subprocess.run([lab.BUILD / "weftctl", "--socket", mesh.socket, *words], capture_output=True, text=True)
    assert done.returncode != 0, (words, done.stdout)
    return done.stderr


def record(**wanted):
    """The newest request with these."""
    def found():
        rows = [row for row in map(json.loads, log.read_text().split("\n")[:-1]) if wanted.items() <= row.items()]
        return rows and rows[-1]
    return lab.wait_until(f"a request with {wanted} is told of", found)


def shown(name):
    return next((row for row in mesh.ctl("fault", "list") if row["fault"] == name), None)


# As a resource: of one caller, by a header.
assert ask()[0] == 200
mesh.update("faults.yaml", fault("slow", delay={"fixed": "400ms"}, headers=[{"name": "X-Slow", "present": True}],
                                 **{"from": [{"source": {"principals": ["cluster.local/ns/default/sa/cart"]}}]}))
status, seconds, _ = ask(client, HTTP, "-H", "X-Slow: 1")
assert status == 200 and seconds >= 0.4, (status, seconds)
quick = [ask(client), ask(other, HTTP, "-H", "X-Slow: 1")]
told = record(flags="DI")
assert (told["detail"], told["fault"], told["status"]) == ("fault:default/slow", "default/slow", 200), told
assert shown("default/slow")["delayed"] == 1, (shown("default/slow"), quick)
asked = mesh.ctl("where", "GET", "http://web/", "from", client.address, "header", "X-Slow: 1")
assert asked["backends"][0]["faults"] == "default/slow (delay 400ms, of 100%)", asked
assert mesh.ctl("where", "GET", "http://web/", "from", other.address, "header", "X-Slow: 1")["backends"][0]["faults"] is None
assert mesh.metric("weft_faults_injected_total", fault="default/slow", did="delayed") == 1

# Aborts: a status, which is no endpoint's failure; and a reset.
mesh.update("faults.yaml", fault("abort", abort={"httpStatus": 503}))
assert [ask()[0] for _ in range(6)] == [503] * 6
told = record(flags="FI", status=503)
assert told["answered_by"] == "weft" and told["endpoint"] is None, told
assert mesh.ctl("show", "protections", "web")[0]["ejected"] == 0
mesh.update("faults.yaml", fault("reset", abort={"reset": True}))
assert ask()[2] == 56, "curl: the connection was reset"
told = record(flags="FI", status=None)
assert told["answered_by"] == "nobody" and shown("default/reset")["reset"] == 1, told
mesh.update("faults.yaml", fault("reset", "plain", abort={"reset": True}), fault("reset-too", "relayed", abort={"reset": True}))
assert ask(client, PACKETS)[2] == 7 and ask(client, RELAYED)[2] != 0
assert mesh.verdict("refused_by_fault") >= 1 and shown("default/reset-too")["reset"] == 1
mesh.update("faults.yaml", fault("lost", "plain", loss=100))
assert ask(client, PACKETS, patience=1)[2] == 28, "curl: timed out"
assert mesh.verdict("fault_lost") >= 1 and shown("default/lost")["lost"] >= 1
assert mesh.ctl("where", "tcp", f"{client.address}:45000", f"{PACKETS}:80")["faults"] == "default/lost (loss 100%, of 100%)"
# What can't be had is told.
mesh.update("faults.yaml", fault("lost", loss=5), fault("nobody", "nobody", delay={"fixed": "1s"}))
warnings = " ".join(mesh.text("show", "registry").split())
assert "loss is for packets" in warnings and "there is no service default/nobody (yet)" in warnings, warnings
mesh.put("faults.yaml")
lab.wait_until("there is nothing to tell", lambda: mesh.ctl("show", "registry")["warnings"] == [])
assert ask(client, PACKETS)[0] == ask(client, RELAYED)[0] == ask()[0] == 200 and mesh.ctl("fault", "list") == []

# Live: never without an end, nor of more than the node allows for.
assert "expected for <time>" in refused("fault", "start", "--service", "web", "--delay", "1s")
assert "100ms to 1h" in refused("fault", "start", "--service", "web", "--delay", "1s", "--for", "2h")
assert "spec.abort.httpStatus" in refused("fault", "start", "--service", "web", "--abort", "99", "--for", "10s")
assert "all is no name" in refused("fault", "start", "--name", "all", "--service", "web", "--delay", "1s", "--for", "10s")
assert "there is no service default/nobody" in refused("fault", "start", "--service", "nobody", "--delay", "1s", "--for", "10s", "--percentage", "1")
assert "this node allows for 60%" in refused("fault", "start", "--service", "web", "--delay", "1s", "--for", "10s")
started = mesh.ctl("fault", "start", "--name", "half", "--service", "web", "--abort", "500", "--percentage", "50", "--for", "5m")
assert started == {"fault": "half", "state": "started", "seconds": 300}, started
assert "of the traffic of default/web" in refused("fault", "start", "--service", "web", "--delay", "1s", "--percentage", "10.01", "--for", "10s")
assert 200 < shown("half")["seconds_left"] <= 300 and shown("half")["live"]
statuses = [ask()[0] for _ in range(60)]
assert 8 <= statuses.count(500) <= 52, ("half of 60, within six standard deviations", statuses)
assert shown("half")["aborted"] == statuses.count(500)
assert "there are: half" in refused("fault", "stop", "other")
mesh.ctl("fault", "stop", "--all")
assert mesh.ctl("fault", "list") == [] and ask()[0] == 200

# From a file, and it ends by itself: who started it has gone.
lab.write(mesh.folder / "live.yaml", """apiVersion: weft.dev/v1
kind: FaultInjection
metadata: {name: from a file}
""")
assert "metadata.name" in refused("fault", "start", "-f", str(mesh.folder / "live.yaml"), "--for", "3s")
lab.write(mesh.folder / "live.yaml", json.dumps(fault("from-file", percentage=60, headers=[{"name": "x", "exact": "a b"}],
                                                     abort={"httpStatus": 418})))
began = time.monotonic()
mesh.ctl("fault", "start", "-f", str(mesh.folder / "live.yaml"), "--for", "3s")
got = set()
while time.monotonic() < began + 2:
    got.add(ask(client, HTTP, "-H", "x: a b")[0])
assert 418 in got, got
lab.wait_until("it has ended by itself", lambda: mesh.ctl("fault", "list") == [], 20)
assert time.monotonic() - began >= 3
assert [ask(client, HTTP, "-H", "x: a b")[0] for _ in range(12)] == [200] * 12

# A dead endpoint: connections to it do not come about, so it is ejected, and callers get what another one says.
mesh.ctl("fault", "start", "--name", "dead", "--service", "web", "--dead", pods[0].address, "--for", "5m")
answers = []


def ejected():
    answers.append(ask())
    return mesh.ctl("show", "protections", "web")[0]["ejected"] == 1


lab.wait_until("it is ejected", ejected, 60)
assert {status for status, _, _ in answers} == {200}, answers
assert max(seconds for _, seconds, _ in answers) >= 0.3, ("an attempt's time", answers)
row = next(row for row in mesh.ctl("show", "endpoints", "web") if row["address"].startswith(pods[0].address + ":"))
assert row["outlier"] == "ejected", row
dead = shown("dead")["dead"]
assert dead >= 2 and [ask()[0] for _ in range(10)] == [200] * 10 and shown("dead")["dead"] == dead, "who is ejected gets nothing"
told = record(fault="dead")
assert told["attempts"] >= 2 and told["endpoint"].startswith(pods[1].address), told

# Nothing live survives a restart.
mesh.weftd.stop(30)
mesh.start_weftd()
assert mesh.ctl("fault", "list") == []
print(f"delayed, aborted, reset, lost, dead ({dead} attempts until it was ejected), and all ended")
mesh.check_books()
