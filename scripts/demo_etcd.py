# SPDX-License-Identifier: Apache-2.0
"""The demo with a registry in etcd: a cluster of three, instances on leases, and a member's death that nobody notices. Called by
scripts/demo --registry etcd."""

import collections
import sys

import etcd
import lab

VIP = "10.96.0.10"
REQUESTS = 1000


def step(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def say(text):
    print("     " + text.rstrip().replace("\n", "\n     "), flush=True)


def shares(answers):
    for name, count in sorted(collections.Counter(answers).items()):
        say(f"{name}  {count:5}  {100 * count / len(answers):5.1f} %  {'#' * round(60 * count / len(answers))}")


def register(store, mesh, pod):
    """On a lease of 10 s that etcdctl keeps alive."""
    lease = store.grant(10)
    store.instance("web", pod, lease)
    lab.Process(["etcdctl", f"--endpoints={','.join(store.urls())}", "lease", "keep-alive", lease], mesh.folder / f"{lease}.log")


def main():
    lab.enter()
    mesh = lab.Lab()
    step("3/6  Three members of etcd; a Service, and three instances of it on leases")
    client = mesh.pod("client", "10.1.0.1")
    web = [mesh.pod(f"web-{i}", f"10.1.0.{10 + i}") for i in (1, 2, 3, 4)]
    for pod in web:
        pod.serve_http()
    store = etcd.Etcd(mesh, members=3)
    store.service(mesh.service("web", VIP))
    for pod in web[:3]:
        register(store, mesh, pod)
    say(store.ctl("get", "--prefix", etcd.PREFIX, "--keys-only"))
    mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": store.urls()}})
    mesh.start_weftd()

    step(f"4/6  {REQUESTS} curl requests to http://{VIP}/, while etcd's leader is killed and then web-4 registers")
    load = client.start("curl", "-sS", "--fail", "-m", "60", "-H", "Connection: close", "--rate", "4800/m",
                        f"http://{VIP}/?[1-{REQUESTS}]")
    answers = lambda: load.log.read_text().split()
    lab.wait_until("requests run", lambda: len(answers()) > REQUESTS // 5)
    leader = store.leader()
    store.kill(leader)
    say(f"{store.url(leader)}, the leader, is dead.")
    lab.wait_until("another leads", store.healthy, 30)
    register(store, mesh, web[3])
    lab.wait_until("web-4 is there", lambda: len(mesh.ctl("show", "endpoints", "web")) == 4, 30)
    joined = len(answers())
    code = load.popen.wait(90)
    if code != 0 or len(answers()) != REQUESTS:
        sys.exit(f"FAILED: {len(answers())} of {REQUESTS} requests were answered\n{load.log.read_text()[-300:]}")
    if "web-4" not in answers():
        sys.exit("FAILED: web-4 got no request")
    say(f"web-4 joined after about {joined} answers; all {REQUESTS} of {REQUESTS} requests answered:")
    shares(answers())

    step("5/6  What weftctl says of the registry")
    say(mesh.text("show", "registry"))

    step("6/6  All of etcd is killed: what is in force stays")
    for number in range(3):
        store.kill(number)
    last = client.run("curl", "-sS", "--fail", "-m", "60", "-H", "Connection: close", f"http://{VIP}/?[1-100]").split()
    if len(last) != 100 or len(set(last)) != 4:
        sys.exit(f"FAILED: without etcd, {last}")
    shares(last)
    mesh.check_books()
    mesh.weftd.stop()
    print("\nDone. Nothing of it is left on this machine: it all ran in namespaces of its own.")


main()
