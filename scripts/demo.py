# SPDX-License-Identifier: Apache-2.0
"""The demo's traffic: one client pod, endpoints that come and go, a canary that takes over, and nothing that breaks. Called by
scripts/demo."""

import collections
import hashlib
import os
import subprocess
import sys

import lab

VIP, SHOP, CART, NAMES = "10.96.0.10", "10.96.0.20", "10.96.0.30", "10.96.0.53"
REQUESTS = 1000
CLOSING = ("-H", "Connection: close")
WEIGHTS = ((90, 10), (50, 50), (0, 100))  # of the shop's versions, one after another


def step(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def say(text):
    print("     " + text.rstrip().replace("\n", "\n     "), flush=True)


def shares(answers):
    for name, count in sorted(collections.Counter(answers).items()):
        say(f"{name}  {count:5}  {100 * count / len(answers):5.1f} %  {'#' * round(60 * count / len(answers))}")


def requests(client, count, *words, service="web"):
    """So many requests to a service by its name; each answer is the name of the pod that gave it."""
    return client.start("curl", "-sS", "--fail", "-m", "60", *words, f"http://{service}/?[1-{count}]")


def answers_of(process):
    return process.log.read_text().split()


def finished(process, count):
    code = process.popen.wait(90)
    answers = answers_of(process)
    if code != 0 or len(answers) != count:
        sys.exit(f"FAILED: {len(answers)} of {count} requests were answered\n{process.log.read_text()[-300:]}")
    return answers


def shop_route(mesh, weights):
    """To its versions by weight, and to the second what asks for it by a header."""
    def backends(*weights):
        return [{"name": f"shop-{version}", "port": 80, "weight": weight} for version, weight in zip(("v1", "v2"), weights)]
    return mesh.http_route("canary", "shop", {"matches": [{"headers": [{"name": "x-canary", "value": "1"}]}], "backendRefs": backends(0, 1)},
                           {"backendRefs": backends(*weights)})


def canary(mesh, client):
    versions = [mesh.pod(version, f"10.1.0.{20 + i}") for i, version in enumerate(("v1", "v2"))]
    for pod in versions:
        pod.serve_http()
        mesh.ctl("pod", "attach", "netns", pod.name)
    mesh.update("shop.yaml", mesh.service("shop", SHOP), mesh.slice("shop", versions),
                *(document for i, pod in enumerate(versions)
                  for document in (mesh.service(f"shop-{pod.name}", f"10.96.0.{21 + i}"), mesh.slice(f"shop-{pod.name}", [pod]))))
    mesh.update("canary.yaml", shop_route(mesh, WEIGHTS[0]))
    say(mesh.text("get", "httproute"))
    say(f"{REQUESTS} requests, all over one connection:")
    shares(finished(requests(client, REQUESTS, service="shop"), REQUESTS))
    say("100 with the header:")
    shares(by_header := finished(requests(client, 100, "-H", "x-canary: 1", service="shop"), 100))
    if set(by_header) != {"v2"}:
        sys.exit("FAILED: requests did not follow the header")
    load = requests(client, 3 * REQUESTS // 2, "--rate", "30000/m", service="shop")
    changes = [0]
    for weights in WEIGHTS[1:]:
        lab.wait_until("requests run", lambda: len(answers_of(load)) > changes[-1] + REQUESTS // 2)
        mesh.update("canary.yaml", shop_route(mesh, weights))
        changes.append(len(answers_of(load)))
    answers = finished(load, 3 * REQUESTS // 2)
    for weights, begin, end in zip(WEIGHTS, changes, [*changes[1:], len(answers)]):
        say(f"{len(answers)} more, while the weights are {weights[0]} to {weights[1]}:" if begin == 0 else f"then {weights[0]} to {weights[1]}:")
        shares(late := answers[begin and begin + 20:end])
    if set(late) != {"v2"}:
        sys.exit("FAILED: requests did not follow the route")
    say(f"{len(answers)} of {len(answers)} requests answered.")


def rehearsal(mesh, client, pods, servers):
    """A scenario of failure under load: its report, whatever became of it."""
    poisoned = mesh.folder / "poisoned"
    poisoned.write_text("\n")
    config = mesh.folder / f"nginx-{pods[2].name}" / "nginx.conf"
    config.write_text(config.read_text().replace("index index.html;", f"index index.html; include {poisoned};"))
    reload = f"kill -HUP {servers[2].pid}"
    lab.run("sh", "-c", reload)
    mesh.put("cart.yaml", mesh.service("cart", CART, app_protocol="http"), mesh.slice("cart", pods),
             {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "cart"},
              "spec": {"host": "cart", "trafficPolicy": {"outlierDetection": {
                  "consecutive5xxErrors": 2, "interval": "1s", "baseEjectionTime": "1s", "maxEjectionPercent": 50}}}})
    mesh.update("cart-route.yaml", mesh.http_route("cart", "cart", {
        "backendRefs": [{"name": "cart", "port": 80}], "retry": {"attempts": 3, "codes": [500, 503]}}))
    load = " ".join(client.inside("curl", "-sS", "-m", "60", "--rate", "6000/m", "-o", "/dev/null"))
    victims = f"{servers[1].pid} {lab.run('pgrep', '-P', str(servers[1].pid))}".replace("\n", " ")
    lab.wait_until("cart answers", lambda: client.run("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "http://cart/", check=False) == "200")
    played = subprocess.run(
        [lab.BUILD / "weftctl", "--socket", mesh.socket, "fault", "run", "--quiet", "--allow-commands", lab.ROOT / "scenarios" / "demo.yaml"],
        env={**os.environ, "LOAD": f"exec {load} http://cart/?[1-100000]", "OTHER_LOAD": f"exec {load} http://shop/?[1-100000]", "VICTIM": victims,
             "POISONED": str(poisoned), "RELOAD": reload}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90)
    say(played.stdout)
    if played.returncode != 0:
        sys.exit(f"FAILED: the scenario's exit code is {played.returncode}")


def main():
    lab.enter()
    mesh = lab.Lab()
    step("3/8  One client pod, three endpoint pods with nginx, and weftd")
    client = mesh.pod("client", "10.1.0.1")
    web = [mesh.pod(f"web-{i}", f"10.1.0.{10 + i}") for i in (1, 2, 3, 4)]
    servers = [pod.serve_http() for pod in web]
    mesh.put("web.yaml", mesh.service("web", VIP), mesh.slice("web", web[:3]))
    mesh.configure(snat={"addresses": ["10.9.0.1"]}, dns={"addresses": [NAMES]})
    mesh.use_names(NAMES)
    mesh.start_weftd()
    say(mesh.text("pod", "list"))
    say("Pods ask weft for names (/etc/resolv.conf has its address):")
    say(client.run("getent", "ahostsv4", "web"))

    step(f"4/8  {REQUESTS} curl requests to http://web/, each over a connection of its own")
    shares(finished(requests(client, REQUESTS, *CLOSING), REQUESTS))

    step(f"5/8  {REQUESTS} more, while web-1 leaves the registry and web-4 joins it")
    port = next(port for port in range(40000, 50000)
                if mesh.ctl("where", "tcp", f"{client.address}:{port}", f"{VIP}:80").get("endpoint_name") ==
                "default/web/web-1")
    stream = client.start("curl", "-sS", "--fail", "-m", "90", "--limit-rate", "12m", "--local-port", port,
                          "-o", mesh.folder / "streamed", "-w", "%{http_code} %header{x-pod}", "http://web/stream")
    lab.wait_until("the long download runs",
                   lambda: (mesh.folder / "streamed").exists() and (mesh.folder / "streamed").stat().st_size > 0)
    load = requests(client, REQUESTS, *CLOSING, "--rate", "15000/m")
    lab.wait_until("requests run", lambda: len(answers_of(load)) > REQUESTS // 5)
    mesh.update("web.yaml", mesh.service("web", VIP), mesh.slice("web", web[1:]))
    changed = len(answers_of(load))
    answers = finished(load, REQUESTS)
    say(f"the registry changed after about {changed} answers; before that:")
    shares(answers[:changed])
    say("and from then on:")
    late = answers[changed + 20:]
    shares(late)
    if "web-1" in late or "web-4" not in late:
        sys.exit("FAILED: requests did not follow the registry")
    if stream.popen.wait(90) != 0 or stream.log.read_text() != "200 web-1":
        sys.exit(f"FAILED: the download from web-1 broke: {stream.log.read_text()[-300:]}")
    body = (mesh.folder / "streamed").read_bytes()
    if hashlib.sha256(body).digest() != hashlib.sha256(bytes(64 << 20)).digest():
        sys.exit("FAILED: the download from web-1 was damaged")
    say(f"A download of {len(body) >> 20} MiB from web-1, begun before it left, went on and ended there: not a byte lost.")
    say(f"{2 * REQUESTS} of {2 * REQUESTS} requests answered.")

    step("6/8  An HTTPRoute at http://shop/: 9 of 10 requests to v1, 1 to v2, and to v2 whatever says x-canary: 1")
    canary(mesh, client)

    step("7/8  What weftctl says")
    for words in (("show", "services"), ("show", "endpoints")):
        print(f"\n     # weftctl {' '.join(words)}")
        say(mesh.text(*words))
    print("\n     # weftctl show dns")
    say(mesh.text("show", "dns"))
    print("\n     # weftctl show drops")
    say(mesh.text("show", "drops"))

    step("8/8  A rehearsal under load: web-2 is killed, web-3 answers 500, and what weftctl fault run reports")
    rehearsal(mesh, client, web, servers)
    mesh.check_books()
    mesh.weftd.stop()
    print("\nDone. Nothing of it is left on this machine: it all ran in namespaces of its own.")


main()
