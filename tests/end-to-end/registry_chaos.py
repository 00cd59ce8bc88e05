# SPDX-License-Identifier: Apache-2.0
"""Under constant load, etcd loses its leader, stops for longer than leases live, and goes away; weftd dies: no request fails
for lack of the registry, and an instance that is really gone gets no traffic once its lease has ended."""

import time

import etcd
import lab

LEASE = 2  # seconds: the least that etcd grants with these elections

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(4)]
for web in webs:
    web.serve_http()
store = etcd.Etcd(mesh, members=3)
store.service(mesh.service("web", "10.96.0.10"))

def register(web):
    """On a lease that etcdctl keeps alive as long as it can. @returns it"""
    lease = store.grant(LEASE)
    keeper = lab.Process(["etcdctl", f"--endpoints={','.join(store.urls())}", "lease", "keep-alive", lease],
                         mesh.folder / f"{lease}.log")
    store.instance("web", web, lease)
    return keeper

keepers = [register(web) for web in webs]
mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": store.urls(), "timeout_ms": 1000, "guard": {"window_s": 60}}})
mesh.start_weftd()

def shown():
    return mesh.ctl("show", "registry")

def endpoints():
    return {row["endpoint"] for row in mesh.ctl("show", "endpoints", "web")}

ALL = {web.name for web in webs}
lab.wait_until("all are there", lambda: endpoints() == ALL)

def begin_load():
    return client.start("curl", "-sS", "--fail", "-m", "20", "--rate", "6000/m", "-H", "Connection: close",
                        "http://10.96.0.10/?[1-100000]")

def answers(load):
    return load.log.read_text().split("\n")[:-1]

def flows(load, what, requests=50):
    """So many more requests, all of them answered by a pod."""
    before = len(answers(load))
    lab.wait_until(f"requests flow {what}", lambda: len(answers(load)) > before + requests, 30)
    failed = [line for line in answers(load) if not line.startswith("web")]
    assert not failed, (what, failed)
    assert load.running(), what

load = begin_load()
flows(load, "at first")

# The leader: another member leads, weft follows one that lives, and changes come through.
leader = store.leader()
store.kill(leader)
flows(load, "without the leader")
lab.wait_until("another leads", store.healthy, 30)
lab.wait_until("weft is connected", lambda: shown()["connection"] == "connected", 30)
store.put("resources/Service/default/other", mesh.service("other", "10.96.0.11"))
lab.wait_until("a change comes through", lambda: any(row["service"].startswith("default/other") or row["service"] == "other" for row in mesh.ctl("show", "services")), 30)
assert endpoints() == ALL
store.start(leader)
lab.wait_until("all three serve", store.healthy, 30)

# Stopped past the leases' end: they end when it goes on, and what was registered is held.
store.pause()
flows(load, "while etcd stands still", 100 * LEASE * 2)
lab.wait_until("weft tells that etcd is away", lambda: shown()["connection"] == "away", 30)
for keeper in keepers:
    keeper.kill()
store.resume()
lab.wait_until("the leases' end is held", lambda: shown()["held_keys"] == 4, 30)
assert endpoints() == ALL
flows(load, "though no instance is in etcd")
keepers = [register(web) for web in webs]
lab.wait_until("nothing is held", lambda: shown()["held_keys"] == 0 and shown()["state"] == "current", 30)
flows(load, "with new leases")

# One that is really gone.
keepers[0].kill()
gone_at = time.monotonic()
lab.wait_until("it gets nothing", lambda: endpoints() == ALL - {"web0"}, 60)
print(f"gone {time.monotonic() - gone_at:.1f} s after its last word, with a lease of {LEASE} s")
last = len(answers(load))
flows(load, "without it", 100)
assert "web0" not in answers(load)[last + 20:], "it got a request long after it left"

# All of etcd: nothing changes. And back.
for number in range(3):
    store.kill(number)
flows(load, "without etcd", 200)
assert endpoints() == ALL - {"web0"} and shown()["connection"] == "away"
for number in range(3):
    store.start(number)
lab.wait_until("etcd is back", store.healthy, 30)
lab.wait_until("weft follows it again", lambda: shown()["connection"] == "connected", 30)
assert {"web1", "web2", "web3"} <= endpoints()
flows(load, "with etcd again")

# weftd: when it answers, it has all of the registry.
load.kill()
for web, keeper in zip(webs, keepers):
    keeper.kill()
    store.instance("web", web)
lab.wait_until("all are there without leases", lambda: endpoints() == ALL and shown()["held_keys"] == 0)
mesh.weftd.kill()
mesh.start_weftd()
assert endpoints() == ALL and shown()["ready"]
load = begin_load()
flows(load, "after weftd's death")
load.kill()
mesh.check_books()
