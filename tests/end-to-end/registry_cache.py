# SPDX-License-Identifier: Apache-2.0
"""weftd starts while etcd is away: from its cache, whose age it tells, until etcd has the word again. A cache that is damaged
is said and ignored."""

import etcd
import lab

lab.enter()
mesh = lab.Lab()
store = etcd.Etcd(mesh, members=1)
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(2)]
for web in webs:
    web.serve_http()
store.service(mesh.service("web", "10.96.0.10"))
for web in webs:
    store.instance("web", web)
mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": store.urls(), "timeout_ms": 200}})
mesh.start_weftd()
cache = mesh.folder / "registry.cache"


def registry():
    return mesh.ctl("show", "registry")


def answers():
    said = client.run("sh", "-c", "for i in $(seq 20); do curl -sS --max-time 5 http://10.96.0.10/ || echo failed; done")
    return set(said.split())


assert registry()["state"] == "current" and registry()["ready"], registry()
assert answers() == {"web0", "web1"}
lab.wait_until("the cache has it all", lambda: registry()["cache_documents"] == 3, 30)
assert registry()["cache"] == str(cache) and registry()["cache_error"] == "", registry()

# Both die; weftd starts again, and knows.
store.kill(0)
mesh.weftd.kill()
mesh.start_weftd()
shown = registry()
assert shown["state"].startswith("from cache, ") and shown["state"].endswith(" s old") and shown["ready"], shown
assert shown["connection"] == "away", shown
assert answers() == {"web0", "web1"}
assert "what is in force is the cache's, written " in mesh.weftd_log()

# Etcd is back, and one of them has gone meanwhile.
store.start(0)
lab.wait_until("etcd serves", store.healthy, 30)
store.delete("endpoints/default/web/web1")
lab.wait_until("etcd has the word", lambda: registry()["state"] == "current", 30)
lab.wait_until("web1 is gone", lambda: len(mesh.ctl("show", "endpoints", "web")) == 1)
assert answers() == {"web0"}
lab.wait_until("the cache follows", lambda: registry()["cache_documents"] == 2, 30)

# What is damaged is no start, and says so.
mesh.weftd.stop()
store.kill(0)
cache.write_bytes(cache.read_bytes()[:-1])
mesh.start_weftd(attach=False)
shown = registry()
assert not shown["ready"] and shown["state"].startswith("not ready"), shown
assert "is damaged" in shown["cache_error"], shown
assert "is damaged: it has" in mesh.weftd_log()
store.start(0)
lab.wait_until("etcd has the word", lambda: registry()["ready"], 30)
lab.wait_until("the cache is good again", lambda: registry()["cache_error"] == "" and registry()["cache_documents"] == 2, 30)

# An etcd that lost everything, and answers at once, is doubted: by what the cache has, it lacks most.
mesh.weftd.stop()
store.kill(0)
store.wipe(0)
store.start(0)
lab.wait_until("etcd serves", store.healthy, 30)
mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": store.urls(), "timeout_ms": 200, "guard": {"least": 2}}})
mesh.start_weftd()
shown = registry()
assert shown["held_keys"] == 2 and shown["alarm"], shown
assert answers() == {"web0"}
mesh.ctl("set", "registry", "accept")
lab.wait_until("it was meant", lambda: registry()["held_keys"] == 0 and registry()["keys"] == 0)
