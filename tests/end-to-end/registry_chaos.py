# SPDX-License-Identifier: Apache-2.0
"""Under constant load, etcd loses its leader, stops for longer than leases live, and goes away; weftd dies: no request fails
for lack of the registry, and an instance that is really gone gets no traffic once its lease has ended."""

import time

import etcd
import lab

LEASE = 6  # seconds: longer than an election takes, on a machine that others keep busy too
LATE = 30  # seconds beyond a lease, in which etcd ends it and weft acts on it, on such a machine

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
mesh.configure(pods={"on_stop": "keep"}, registry={"source": "etcd", "etcd": {"endpoints": store.urls(), "timeout_ms": 2000, "guard": {"window_s": 300}}})
mesh.start_weftd()

def shown():
    return mesh.ctl("show", "registry")

def endpoints():
    return {row["endpoint"] for row in mesh.ctl("show", "endpoints", "web")}

ALL = {web.name for web in webs}
lab.wait_until("all are there", lambda: endpoints() == ALL, 30)

def begin_load():
    return client.start("curl", "-sS", "--fail", "-m", "20", "--rate", "6000/m", "-H", "Connection: close",
                        "http://10.96.0.10/?[1-100000]")

def answers(load):
    return load.log.read_text().split("\n")[:-1]

def flows(load, what, requests=50):
    """So many more requests, all of them answered by a pod."""
    before = len(answers(load))
    lab.wait_until(f"requests flow {what}", lambda: len(answers(load)) > before + requests, 60)
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
paused_at = time.monotonic()
lab.wait_until("no lease would live", lambda: time.monotonic() > paused_at + LEASE + 1, LEASE + 30)
flows(load, "while etcd stands still")
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
lab.wait_until("it gets nothing", lambda: endpoints() == ALL - {"web0"}, LEASE + LATE)
print(f"gone {time.monotonic() - gone_at:.1f} s after its last word, with a lease of {LEASE} s")
last = len(answers(load))
flows(load, "without it", 100)
assert "web0" not in answers(load)[last + 20:], "it got a request long after it left"

# All of etcd: nothing changes, though weftd dies meanwhile. And back.
def restart_weftd():
    """Under the load: what it asks for meanwhile, waits."""
    mesh.weftd.kill()
    mesh.start_weftd(attach=False)
    assert load.running()

LEFT = ALL - {"web0"}
for web, keeper in zip(webs, keepers):
    keeper.kill()
    if web.name in LEFT:
        store.instance("web", web)  # without a lease: it is not what is at stake here
lab.wait_until("nobody needs a lease", lambda: endpoints() == LEFT and shown()["held_keys"] == 0, 30)
lab.wait_until("the cache has it all", lambda: shown()["cache_documents"] == 5, 30)
for number in range(3):
    store.kill(number)
flows(load, "without etcd", 200)
assert endpoints() == LEFT and shown()["connection"] == "away"
restart_weftd()
assert endpoints() == LEFT and shown()["ready"] and shown()["state"].startswith("from cache"), shown()
flows(load, "after weftd's death without etcd")
for number in range(3):
    store.start(number)
lab.wait_until("etcd is back", store.healthy, 60)
lab.wait_until("weft follows it again", lambda: shown()["connection"] == "connected" and shown()["state"] == "current", 30)
assert endpoints() == LEFT
flows(load, "with etcd again")

# weftd alone: when it answers, it has all of the registry.
restart_weftd()
assert endpoints() == LEFT and shown()["ready"] and shown()["state"] == "current", shown()
flows(load, "after weftd's death")
load.kill()
mesh.check_books()
