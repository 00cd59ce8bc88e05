# SPDX-License-Identifier: Apache-2.0
"""A node whose registry is in etcd: it follows, refuses keys by name, holds a mass expiry, and tells the operator."""

import etcd
import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(4)]
for web in webs:
    web.serve_http()
store = etcd.Etcd(mesh, members=1)
store.service(mesh.service("web", "10.96.0.10"))
leases = [store.grant(3600) for web in webs]
for web, lease in zip(webs, leases):
    store.instance("web", web, lease)
mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": store.urls(), "timeout_ms": 5000, "guard": {"window_s": 300}}})
assert "in etcd" in lab.run(lab.BUILD / "weftd", "--config", mesh.config_file, "--check")
mesh.start_weftd()

def shown():
    return mesh.ctl("show", "registry")

def works():
    return client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/").startswith("web")

def endpoints():
    return {row["endpoint"] for row in mesh.ctl("show", "endpoints", "web")}

assert works() and endpoints() == {web.name for web in webs}
first = shown()
assert first["source"] == "etcd" and first["ready"] and first["state"] == "current" and first["alarm"] == "", first
assert first["member"] == store.url(0) and first["connection"] == "connected", first
assert (first["keys"], first["instances"], first["refused_keys"], first["lists"]) == (5, 4, 0, 1), first
metrics = mesh.metrics()
for name, value in {"ready": 1, "connected": 1, "from_cache": 0, "keys": 5, "instances": 4, "refused_keys": 0, "held_keys": 0, "alarm": 0, "lists_total": 1,
                    "revision": first["revision"], "documents": first["documents"]}.items():
    assert metrics["weft_registry_" + name, ()] == value, (name, metrics)
assert metrics["weft_snapshot_endpoints", ()] == 4 and metrics["weft_snapshot_services", ()] == 1, metrics
assert lab.wait_until("etcd is heard of now and then", lambda: shown()["age_seconds"] <= 5, 30)
text = mesh.text("show", "registry")
assert "etcd" in text and store.url(0) in text and "connected" in text, text

# A change comes through; a bad one is named by key and field, and alone.
store.instance("web", webs[0], leases[0], weight=2)
lab.wait_until("the weight is there", lambda: {2, 1} == {row["weight"] for row in mesh.ctl("show", "endpoints", "web")}, 30)
store.put("endpoints/default/web/web1", '{"addresses": ["10.1.0.11"], "port": 8080, "wait": 1}')
store.put("resources/Service/default/rival", mesh.service("rival", "10.96.0.10"))
store.put("endpoints/default/nothing/a", '{"addresses": ["10.1.0.99"], "port": 8080}')
lab.wait_until("three keys are refused", lambda: shown()["refused_keys"] == 3, 30)
errors = shown()["errors"]
for key, message in {"endpoints/default/web/web1": "wait: unknown field", "resources/Service/default/rival": "spec.clusterIP: 10.96.0.10:80/tcp",
                     "endpoints/default/nothing/a": "there is no service default/nothing"}.items():
    assert any(key in error and message in error for error in errors), (key, errors)
assert "unknown field" in mesh.text("show", "registry")
assert shown()["state"].startswith("partly stale") and works() and endpoints() == {web.name for web in webs}
store.delete("endpoints/default/nothing/a")
store.delete("resources/Service/default/rival")
store.instance("web", webs[1], leases[1])
lab.wait_until("all is good again", lambda: shown()["state"] == "current", 30)

# Leases that end one by one: more than half of a service's at once is held, until the operator accepts it.
store.ctl("lease", "revoke", leases[0])
lab.wait_until("one is gone", lambda: len(endpoints()) == 3, 30)
for lease in leases[1:3]:
    store.ctl("lease", "revoke", lease)
lab.wait_until("the alarm is raised", lambda: shown()["alarm"], 30)
assert endpoints() == {web.name for web in webs}, endpoints()
held = shown()
assert (mesh.metric("weft_registry_alarm"), mesh.metric("weft_registry_held_keys")) == (1, 3), mesh.metrics()
assert held["held_keys"] == 3 and held["held_of"] == ["default/web"] and held["holds"] == 3, held
assert any("weftctl set registry accept" in error for error in held["errors"]), held
# Who comes back is held no more; the operator lets the rest go.
store.instance("web", webs[0])
lab.wait_until("one is back", lambda: shown()["held_keys"] == 2, 30)
mesh.ctl("set", "registry", "accept")
assert endpoints() == {"web0", "web3"} and shown()["alarm"] == "", endpoints()
assert (mesh.metric("weft_registry_alarm"), mesh.metric("weft_registry_held_keys"), mesh.metric("weft_registry_holds_total")) == (0, 0, 3), mesh.metrics()
# What somebody deletes goes at once, be it all.
store.delete("endpoints/default/web/", "--prefix")
lab.wait_until("all are gone", lambda: not endpoints(), 30)
for web in webs:
    store.instance("web", web)
lab.wait_until("all are back", lambda: len(endpoints()) == 4, 30)

# Without etcd, everything goes on, and the operator is told.
store.kill(0)
away = lab.wait_until("its absence is told", lambda: (now := shown())["connection"] == "away" and now, 30)
assert away["state"].startswith("away") and away["last_error"] and away["ready"], away
assert mesh.metric("weft_registry_connected") == 0 and mesh.metric("weft_registry_ready") == 1
lab.wait_until("its absence grows", lambda: mesh.metric("weft_registry_age_seconds") > 0, 30)
assert works() and len(endpoints()) == 4
store.start(0)
back = lab.wait_until("it is back", lambda: (now := shown())["connection"] == "connected" and now, 30)
assert back["reconnects"] > first["reconnects"] and back["lists"] == 1, back
store.delete("endpoints/default/web/web3")
lab.wait_until("it follows again", lambda: len(endpoints()) == 3, 30)
assert works()

# A store that comes back empty was lost: nobody deleted anything.
store.kill(0)
lab.wait_until("its absence is told", lambda: shown()["connection"] == "away")
store.wipe(0)
store.start(0)
lost = lab.wait_until("the empty store is doubted", lambda: (now := shown())["lists"] == 2 and now["alarm"] and now, 30)
assert lost["held_keys"] == 4 and "/weft/v1/resources/Service/default/web" in lost["held_of"], lost
assert works() and len(endpoints()) == 3
store.service(mesh.service("web", "10.96.0.10"))
lab.wait_until("the service is held no more", lambda: shown()["held_keys"] == 3)
assert works()
mesh.check_books()
