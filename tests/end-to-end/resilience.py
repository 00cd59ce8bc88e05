# SPDX-License-Identifier: Apache-2.0
"""Endpoints that fail, hang and die, with real servers: what their callers see of it, and what an operator does."""

import json
import os
import signal
import statistics
import subprocess

import lab

# Answers with its name, or, of so many in a hundred, with 500; and says how many requests it got.
SERVER = r"""
import http.server, random, sys, threading, time
name, failing = sys.argv[1], int(sys.argv[2])
served = 0
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        global served
        if self.path == "/count":
            status, body = 200, b"%d" % served
        else:
            served += 1
            if self.path.startswith("/slow"):
                time.sleep(float(self.path[5:]))
            status, body = (500 if random.randrange(100) < failing else 200), name.encode()
        self.send_response(status); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *words): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
Server(("", 8080), Handler).serve_forever()
"""
# Requests one after another over connections that stay, and how long each took.
LOAD = r"""
import http.client, json, sys, threading, time
host, threads, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
took = []
def ask():
    connection = http.client.HTTPConnection(host, 80, timeout=30)
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        took.append((response.status, time.perf_counter() - began))
running = [threading.Thread(target=ask) for _ in range(threads)]
for each in running: each.start()
for each in running: each.join()
print(json.dumps(took))
"""

lab.enter()
mesh = lab.Lab()
lab.write(mesh.folder / "server.py", SERVER)
lab.write(mesh.folder / "load.py", LOAD)
client = mesh.pod("client", "10.1.0.1")
bystander = mesh.pod("bystander", "10.1.0.2")
pods = [mesh.pod(f"w{n}", f"10.1.0.{10 + n}") for n in range(1, 6)]
calm = mesh.pod("calm", "10.1.0.20")
servers = {}


def serve(pod, failing=0):
    servers[pod.name] = pod.start("python3", mesh.folder / "server.py", pod.name, str(failing))
    lab.wait_until(f"{pod.name} listens", lambda: pod.run("ss", "-ltnH", "sport = :8080"), 30)


for pod in pods:
    serve(pod, failing=30 if pod.name == "w1" else 0)
serve(calm)
PER_TRY = 0.5
RULES = {"consecutive5xxErrors": 2, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 20}


def rule(service, **policy):
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": service},
            "spec": {"host": service, "trafficPolicy": policy}}


def web_rule(**outliers):
    return rule("web", connectionPool={"tcp": {"connectTimeout": "500ms"}}, outlierDetection={**RULES, **outliers})


mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="http"), mesh.slice("web", pods))
mesh.put("rule.yaml", web_rule())
mesh.put("route.yaml", mesh.http_route("web", "web", {
    "backendRefs": [{"name": "web", "port": 80}], "timeouts": {"backendRequest": f"{int(PER_TRY * 1000)}ms"},
    "retry": {"attempts": 3, "codes": [500, 503]}}))
mesh.put("calm.yaml", mesh.service("calm", "10.96.0.20", app_protocol="http"), mesh.slice("calm", [calm]))
mesh.put("narrow.yaml", mesh.service("narrow", "10.96.0.30", app_protocol="http"), mesh.slice("narrow", [calm]),
         rule("narrow", connectionPool={"http": {"http2MaxRequests": 1}}))
mesh.configure(workers={"cores": [0, 1]}, snat={"addresses": ["10.9.0.1"]})
mesh.start_weftd()


class Load:
    """Requests of a pod's to a service, on their way until asked for."""

    def __init__(self, pod, address, threads, count):
        self.popen = subprocess.Popen(pod.inside("python3", str(mesh.folder / "load.py"), address, str(threads), str(count)),
                                      stdout=subprocess.PIPE, text=True)

    def took(self):
        said, _ = self.popen.communicate(timeout=100)
        assert self.popen.returncode == 0, "requests were cut off"
        return [(status, seconds) for status, seconds in json.loads(said)]


def percentile(took, share):
    return sorted(seconds for _, seconds in took)[int(share * (len(took) - 1))]


def errors(took):
    return sum(1 for status, _ in took if status >= 500)


def endpoint(name):
    return next(row for row in mesh.ctl("show", "endpoints", "web") if row["endpoint"] == name)


def protections(service):
    row, = mesh.ctl("show", "protections", service)
    return row


def served(pod):
    return int(client.run("curl", "-sS", "-m", "20", f"http://{pod.address}:8080/count"))


# One of five fails for 30 %: callers see nothing of it, and it is ejected.
took = Load(client, "10.96.0.10", 4, 500).took()
share = errors(took) / len(took)
print(f"one of five fails for 30 %: {share:.3%} errors of {len(took)}; it got {served(pods[0])} requests")
assert share < 0.001, share
row = lab.wait_until("the outlier is ejected", lambda: endpoint("w1")["outlier"] == "ejected" and endpoint("w1"))
assert 0 < row["ejected_seconds_left"] <= 60 and row["times_ejected"] == 1 and row["outlier_reason"] == "consecutive_5xx", row
assert protections("web")["ejected"] == 1 and protections("web")["ejections_consecutive_5xx"] == 1, protections("web")
assert mesh.metric("weft_protection_ejections_total", service="default/web", why="consecutive_5xx") == 1
asked = mesh.ctl("where", "GET", "http://web/")
assert [each["endpoint_name"] for each in asked["endpoints"] if each["passed_over"]] == ["default/web/w1"], asked
assert "consecutive_5xx" in next(each["passed_over"] for each in asked["endpoints"] if each["passed_over"]), asked
before = served(pods[0])
quiet = Load(client, "10.96.0.10", 4, 200).took()
assert errors(quiet) == 0 and served(pods[0]) == before, "who is ejected gets nothing"

# Who leaves the registry takes its ejection along: the outlier's place is free for the next one.
epoch = mesh.epoch()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="http"), mesh.slice("web", pods[1:]))
mesh.wait_epoch(epoch)
lab.wait_until("it is forgotten", lambda: protections("web")["ejected"] == 0)
servers["w1"].kill()
serve(pods[0])
epoch = mesh.epoch()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="http"), mesh.slice("web", pods))
mesh.wait_epoch(epoch)
assert endpoint("w1")["outlier"] == "", endpoint("w1")

# One hangs: an attempt's time is all that it costs, and that not often.
healthy = Load(client, "10.96.0.10", 4, 200).took()
servers["w2"].popen.send_signal(signal.SIGSTOP)
took = Load(client, "10.96.0.10", 4, 300).took()
p99, bound = percentile(took, 0.99), PER_TRY + 10 * percentile(healthy, 0.99)
print(f"one hangs: p99 {p99 * 1000:.1f} ms, {PER_TRY * 1000:.0f} ms a try; {percentile(healthy, 0.99) * 1000:.1f} ms before; {errors(took)} errors")
assert p99 < bound, (p99, bound)
assert errors(took) == 0, errors(took)
lab.wait_until("it is ejected", lambda: endpoint("w2")["outlier"] == "ejected")

# All die: callers are told at once, and another service notices nothing.
calm_before = Load(bystander, "10.96.0.20", 2, 400).took()
for pod in pods:
    servers[pod.name].popen.send_signal(signal.SIGKILL)
    servers[pod.name].popen.wait()
calm_load = Load(bystander, "10.96.0.20", 2, 400)
dead = Load(client, "10.96.0.10", 2, 100).took()
calm_now = calm_load.took()
median, baseline = statistics.median(seconds for _, seconds in dead), statistics.median(seconds for _, seconds in healthy)
print(f"all die: 503 after {median * 1000:.2f} ms (median), a request took {baseline * 1000:.2f} ms before; "
      f"another service's p99 {percentile(calm_before, 0.99) * 1000:.2f} ms before, {percentile(calm_now, 0.99) * 1000:.2f} ms now")
assert {status for status, _ in dead} == {503}, {status for status, _ in dead}
assert {status for status, _ in calm_now} == {200}
counted = protections("web")
assert counted["ejected"] <= 1 and counted["ejections_held_back"] > 0, ("a fifth at most", counted)
assert median < max(0.005, 5 * baseline), (median, baseline)
assert percentile(calm_now, 0.5) < max(0.005, 5 * percentile(calm_before, 0.5))

# A bound that is reached answers at once, and is named.
log = mesh.folder / "access"
follower = lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, "--json", "access", "service", "narrow", "failed", "count", "1"], log)
lab.wait_until("it follows", lambda: log.read_text().endswith("\n"))
slow = client.start("curl", "-sS", "-m", "30", "-o", "/dev/null", "http://10.96.0.30/slow5")
lab.wait_until("one is under way", lambda: protections("narrow")["requests"] == 1)
said = client.run("curl", "-sS", "-m", "20", "-w", "%{http_code}", "-o", "/dev/null", "http://10.96.0.30/")
assert said == "503", said
assert follower.popen.wait(20) == 0
record = next(json.loads(line) for line in log.read_text().splitlines() if "status" in json.loads(line))
assert (record["status"], record["flags"], record["detail"]) == (503, "UO", "max_requests"), record
assert protections("narrow")["request_overflows"] == 1, protections("narrow")
assert slow.popen.wait(30) == 0
lab.wait_until("nothing is under way", lambda: protections("narrow")["requests"] == 0)

mesh.check_books()
print("ok")
