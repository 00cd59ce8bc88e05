# SPDX-License-Identifier: Apache-2.0
"""The scenarios of scenarios/, played by `weftctl fault run` on real servers under load; and its exit codes."""

import json
import os
import pathlib
import signal
import subprocess
import xml.etree.ElementTree

import lab

# So many requests a second, over connections that stay, until it is ended.
LOAD = r"""
import http.client, sys, threading, time
host, threads, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
def ask():
    connection = http.client.HTTPConnection(host, 80, timeout=30)
    while True:
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        time.sleep(pause)
for _ in range(threads): threading.Thread(target=ask).start()
"""
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  split_clients "$request_id" $unlucky {{ 30% 1; * 0; }}
  server {{
    listen 8080;
    set $fails $unlucky;
    if (!-f {folder}/sick) {{ set $fails 0; }}
    if ($fails) {{ return 500; }}
    location / {{ return 200 "{name}\\n"; }}
  }}
}}
"""
SCENARIOS = lab.ROOT / "scenarios"

lab.enter()
mesh = lab.Lab()
os.chmod(mesh.folder, 0o755)
lab.write(mesh.folder / "load.py", LOAD)
client = mesh.pod("client", "10.1.0.1")
bystander = mesh.pod("bystander", "10.1.0.2")
pods = [mesh.pod(f"w{n}", f"10.1.0.{10 + n}") for n in range(1, 6)]
calm = mesh.pod("calm", "10.1.0.20")
servers = {}


def folder_of(pod):
    return mesh.folder / f"nginx-{pod.name}"


def serve(pod):
    folder = folder_of(pod)
    folder.mkdir(exist_ok=True)
    lab.write(folder / "nginx.conf", NGINX.format(folder=folder, name=pod.name))
    servers[pod.name] = pod.start("nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf")
    lab.wait_until(f"nginx of {pod.name} listens", lambda: pod.run("ss", "-ltnH", "sport = :8080"), 30)


def processes(*pods):
    """nginx's masters and workers."""
    masters = [servers[pod.name].pid for pod in pods]
    workers = [pid for master in masters for pid in lab.run("pgrep", "-P", str(master)).split()]
    return " ".join(map(str, masters + workers))


for pod in (*pods, calm):
    serve(pod)


def rule(**outliers):
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"},
            "spec": {"host": "web", "trafficPolicy": {
                "connectionPool": {"tcp": {"connectTimeout": "500ms"}},
                "outlierDetection": {"consecutive5xxErrors": 2, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 100,
                                     **outliers}}}}


mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="http"), mesh.slice("web", pods))
mesh.put("rule.yaml", rule(baseEjectionTime="1s", maxEjectionPercent=20))
mesh.put("route.yaml", mesh.http_route("web", "web", {
    "backendRefs": [{"name": "web", "port": 80}], "timeouts": {"backendRequest": "500ms"},
    "retry": {"attempts": 3, "codes": [500, 503, 504]}}))
mesh.put("calm.yaml", mesh.service("calm", "10.96.0.20", app_protocol="http"), mesh.slice("calm", [calm]))
# The client is an endpoint of a service, too: so it is a caller with a name.
mesh.put("shop.yaml", mesh.service("shop", "10.96.0.30", app_protocol="http"), mesh.slice("shop", [client]))
mesh.configure(workers={"cores": [0]}, snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()


def requests_of(service):
    return next(row["flows"] for row in mesh.ctl("show", "services") if row["service"] == f"default/{service}")


def load(pod, address, threads):
    return pod.start("python3", mesh.folder / "load.py", address, str(threads), "0.02")


loads = [load(client, "10.96.0.10", 4), load(bystander, "10.96.0.20", 2)]
for name in ("web", "calm"):
    lab.wait_until(f"requests to {name} run", lambda: requests_of(name) > 0, 60)


def command(*words):
    return [lab.BUILD / "weftctl", "--socket", mesh.socket, "fault", "run", "--allow-commands", *words]


def play(scenario, *words, code=0, **variables):
    """@returns the report. It is shown as a person sees it if the code is another."""
    done = subprocess.run([*command("--json", *words, scenario)], env={**os.environ, **variables}, capture_output=True, text=True)
    if done.returncode != code:
        raise lab.LabError(f"{scenario}: exit code {done.returncode}, not {code}\n{done.stderr}{done.stdout}")
    return json.loads(done.stdout) if done.stdout else done.stderr


def callers(report, service, phase):
    return [row for row in report["callers"] if (row["service"], row["phase"]) == (f"default/{service}", phase)]


def tell(report, phase):
    for row in callers(report, "web", phase) + callers(report, "calm", phase):
        print(f"  {row['service']} {phase}: {row['requests']} requests, {row['success_percent']:.3f} % succeeded, {row['attempts']} attempts, "
              f"p99 {row['latency_us']['p99'] / 1000:.2f} ms")


# One endpoint of five answers 500 for 30 %: a real nginx that does so while a file is there.
junit = mesh.folder / "junit.xml"
report = play(SCENARIOS / "failing-endpoint.yaml", "--junit", junit, SICK=str(folder_of(pods[0]) / "sick"))
tell(report, "during sick")
assert report["met"] and report["ending"] == "complete" and report["missed"] == 0, report
assert not (folder_of(pods[0]) / "sick").exists(), "it was not undone"
seen, = callers(report, "web", "during sick")
assert seen["caller"] == "default/shop" and seen["attempts"] > seen["requests"], seen
suite = xml.etree.ElementTree.parse(junit).getroot()
assert suite.get("failures") == "0" and int(suite.get("tests")) == len(report["expectations"]), suite.attrib

# One hangs: a real nginx that is stopped.
mesh.update("rule.yaml", rule())
report = play(SCENARIOS / "hanging-endpoint.yaml", HANGS=processes(pods[1]))
tell(report, "during hang")
assert report["met"], report
slowest, = callers(report, "web", "during hang")
assert slowest["latency_us"]["max"] >= 400_000, "nobody was hit"

# An expectation that fails says so, and who reads the code alone learns of it: of one that has no other endpoint and no time.
hopeless = mesh.folder / "hopeless.yaml"
lab.write(hopeless, """
name: hopeless
duration: 5s
steps:
- {name: hang, at: 1s, for: 2s, run: "kill -STOP $HANGS", undo: "kill -CONT $HANGS"}
expect:
- {name: nobody waits, service: calm, phase: during hang, latency: {p99: 500ms}}
- {name: others go on, service: web, phase: during hang, successRate: {min: 99}}
""")
report = play(hopeless, "--junit", junit, code=1, HANGS=processes(calm))
assert [row["met"] for row in report["expectations"]] == [False, True, True], report
assert xml.etree.ElementTree.parse(junit).getroot().get("failures") == "1"

# Faults that weft injects: on requests, for one caller, and on an endpoint's packets.
report = play(SCENARIOS / "slow-and-refused.yaml")
tell(report, "during refusing")
assert report["met"], report
assert report["steps"][0]["counted"]["delayed"] > 0 and report["steps"][1]["counted"]["aborted"] > 0, report["steps"]
report = play(SCENARIOS / "unreachable-endpoint.yaml")
tell(report, "during gone")
assert report["met"], report
assert report["steps"][0]["counted"]["dead"] > 0, report["steps"]
assert any(row["service"] == "default/web" and row["protections"]["faultInjection"] > 0 for row in report["protections"]), report["protections"]
assert mesh.ctl("fault", "list") == [], "a fault goes on"

# All die.
report = play(SCENARIOS / "dead-service.yaml", VICTIMS=processes(*pods))
tell(report, "during death")
assert report["met"], report

# What is begun is ended: by a signal, and when a command fails.
mended = mesh.folder / "mended"
interrupted = mesh.folder / "interrupted.yaml"
lab.write(interrupted, f"""
name: interrupted
duration: 60s
steps:
- {{name: traffic, load: exec sleep 1000}}
- {{name: slow, for: 50s, fault: {{targetRef: {{kind: Service, name: calm}}, delay: {{fixed: 10ms}}}}}}
- {{name: break, at: 100ms, run: "true", undo: touch {mended}}}
expect: [{{service: calm, successRate: {{min: 1}}}}]
""")
running = subprocess.Popen(command(interrupted), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
lines = [running.stderr.readline() for _ in range(3)]
assert all(f"{name} begins" in line for name, line in zip(("traffic", "slow", "break"), lines)), lines
assert [row["fault"] for row in mesh.ctl("fault", "list")] == ["interrupted.slow"], mesh.ctl("fault", "list")
running.send_signal(signal.SIGINT)
said, _ = running.communicate(timeout=60)
assert running.returncode == 130 and "interrupted: began" in said and mended.exists(), (running.returncode, said)
assert not lab.run("pgrep", "-f", "sleep 1000", check=False), "the load goes on"
assert mesh.ctl("fault", "list") == [], "the fault goes on"

# Though nobody is there any more whom it could tell: whoever read its progress has gone, and the terminal hung up.
mended.unlink()
running = subprocess.Popen(command(interrupted), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
lines = [running.stderr.readline() for _ in range(3)]
assert "break begins" in lines[2], lines
running.stderr.close()
running.stdout.close()
running.send_signal(signal.SIGHUP)
assert running.wait(timeout=60) == 130 and mended.exists(), running.returncode
assert not lab.run("pgrep", "-f", "sleep 1000", check=False), "the load goes on"
assert mesh.ctl("fault", "list") == [], "the fault goes on"

# What a load left in the background is ended with it, and so is what is deaf to SIGTERM; a load that fails is a step that failed.
background = mesh.folder / "background.yaml"
lab.write(background, f"""
name: background
duration: 3s
steps:
- {{name: left, for: 1s, load: "sleep 1001 & echo $! > {mesh.folder}/left"}}
- {{name: deaf, for: 1s, load: "sh -c 'trap \\"\\" TERM; echo $$ > {mesh.folder}/deaf; while :; do sleep 1; done' & wait"}}
- {{name: wrong, load: "echo no such generator; exit 127"}}
expect: [{{service: calm, successRate: {{min: 1}}}}]
""")
report = play(background, code=1)
assert report["ending"] == "complete", report
assert [step["problem"] for step in report["steps"]] == ["", "", "ended by itself with exit code 127"], report["steps"]
for name in ("left", "deaf"):
    process = pathlib.Path("/proc", (mesh.folder / name).read_text().strip(), "stat")
    assert not process.exists() or process.read_text().rsplit(")", 1)[1].split()[0] == "Z", f"the load {name} goes on"
failing = mesh.folder / "failing.yaml"
lab.write(failing, """
name: failing
duration: 60s
steps: [{name: break, at: 100ms, run: "echo no such thing; exit 3"}]
expect: [{service: calm, successRate: {min: 1}}]
""")
report = play(failing, code=1)
assert report["ending"] == "cut short" and report["steps"][0]["problem"] == "exit code 3" and report["steps"][0]["said"] == "no such thing", report

# If weftctl itself is killed, its fault ends by its time to live, and its load with it.
forgotten = mesh.folder / "forgotten.yaml"
lab.write(forgotten, """
name: forgotten
duration: 60s
steps:
- {name: traffic, load: exec sleep 1002}
- {name: slow, for: 1s, fault: {targetRef: {kind: Service, name: calm}, delay: {fixed: 10ms}}}
expect: [{service: calm, successRate: {min: 1}}]
""")
running = subprocess.Popen(command(forgotten), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
assert "slow begins" in [running.stderr.readline() for _ in range(2)][1]
lab.wait_until("the fault is in force", lambda: mesh.ctl("fault", "list"))
running.kill()
running.communicate(timeout=60)
lab.wait_until("the load ends", lambda: not lab.run("pgrep", "-f", "sleep 1002", check=False), 60)
lab.wait_until("the fault ends by itself", lambda: mesh.ctl("fault", "list") == [], 60)

# What can't be played is refused before anything is done, by a code of its own.
for scenario in sorted(SCENARIOS.glob("*.yaml")):
    assert lab.run(lab.BUILD / "weftctl", "fault", "run", "--check", scenario).startswith(f"{scenario}: "), scenario


def refused(code, *words):
    done = subprocess.run([lab.BUILD / "weftctl", *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return done.stderr


dead = SCENARIOS / "dead-service.yaml"
assert "give --allow-commands" in refused(65, "--socket", mesh.socket, "fault", "run", dead)
assert "cannot reach weftd" in refused(69, "--socket", "/nowhere", "fault", "run", "--allow-commands", dead)
refused(64, "fault", "run")
refused(64, "fault", "run", dead, "--frob")
lab.write(failing, "name: x\nduration: 1s\nexpect: [{service: nobody, successRate: {min: 100.5}}]\n")
assert f"{failing}:3: expect[0].successRate.min: expected a number from 0 to 100" in refused(65, "fault", "run", "--check", failing)
lab.write(failing, "name: x\nduration: 1s\nexpect: [{service: nobody, successRate: {min: 100}}]\n")
assert "the node knows no service default/nobody" in refused(65, "--socket", mesh.socket, "fault", "run", failing)
lab.write(failing, """
name: x
duration: 2s
steps: [{name: slow, at: 1s, for: 1s, fault: {targetRef: {kind: Service, name: nobody}, delay: {fixed: 10ms}}}]
expect: [{service: calm, successRate: {min: 1}}]
""")
assert "the node knows no service default/nobody" in refused(65, "--socket", mesh.socket, "fault", "run", "--junit", junit, failing)
suite = xml.etree.ElementTree.parse(junit).getroot()
assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("x", "1", "1"), suite.attrib

for each in loads:
    each.kill()
mesh.check_books()

# A node that goes away ends it, by a code of its own.
running = subprocess.Popen(command("--quiet", interrupted), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
lab.wait_until("it is under way", lambda: mesh.ctl("fault", "list"), 30)
mesh.weftd.kill()
said, _ = running.communicate(timeout=60)
assert running.returncode == 69 and "cut short: began" in said, (running.returncode, said)
print("ok")
