# SPDX-License-Identifier: Apache-2.0
"""weftctl apply, get and delete, on a registry in etcd and on one of files: the same words, the same answers. And help, which
needs neither a registry nor a node."""

import json
import os
import subprocess

import lab

URL = "http://127.0.0.1:2379"
SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    weft.dev/maglev-table-size: "251"
spec:
  clusterIP: 10.96.0.10
  ports:
  - port: 80
"""
SLICE = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
         "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.1.0.7"], "conditions": {"ready": True}}]}

lab.enter()
mesh = lab.Lab()
os.environ.update(ETCDCTL_API="3", ETCDCTL_ENDPOINTS=URL)
etcd = lab.Process(["etcd", "--data-dir", mesh.folder / "data", "--listen-client-urls", URL, "--advertise-client-urls", URL],
                   mesh.folder / "etcd.log")
lab.wait_until("etcd answers", lambda: subprocess.run(["etcdctl", "endpoint", "health"], capture_output=True).returncode == 0, 30)


def weftctl(*words, code=0, **options):
    done = subprocess.run([lab.BUILD / "weftctl", *map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == code, (words, done)
    return done.stdout if code == 0 else done.stderr


def config(name, registry):
    path = mesh.folder / name
    path.write_text(json.dumps({"node": "lab", "registry": registry}))
    return "--config", path


both = mesh.folder / "both.yaml"
both.write_text(SERVICE + "---\n" + json.dumps(SLICE) + "\n")
for place in (config("etcd.yaml", {"source": "etcd", "etcd": {"endpoints": [URL]}}),
              config("files.yaml", {"folder": str(mesh.registry)}), ("--etcd", URL), ("--folder", mesh.registry)):
    assert weftctl("apply", *place, "-f", both) == "Service shop/web created\nEndpointSlice shop/web-1 created\n"
    assert weftctl("apply", *place, "-f", both) == "Service shop/web unchanged\nEndpointSlice shop/web-1 unchanged\n"
    changed = SERVICE.replace("port: 80", "port: 81")
    assert weftctl("apply", *place, "-f", "-", input=changed) == "Service shop/web configured\n"
    assert weftctl("get", *place, "services") == "shop/web\n"
    assert weftctl("get", *place, "service", "shop/web") == changed
    assert json.loads(weftctl("get", *place, "endpointslice", "shop/web-1", "-o", "json")) == SLICE
    assert weftctl("get", *place, "httproute", "-o", "yaml") == ""

    # What is wrong is refused whole, before anything is written.
    bad = weftctl("apply", *place, "-f", "-", code=1, input=SERVICE.replace("shop", "new") + "---\n" + SERVICE.replace("80", "0"))
    assert bad == 'error: standard input:23: spec.ports[0].port: expected an integer from 1 to 65535, got "0"\n', bad
    assert "there twice" in weftctl("apply", *place, "-f", "-", code=1, input=SERVICE + "---\n" + SERVICE)
    assert weftctl("get", *place, "services") == "shop/web\n"
    assert weftctl("get", *place, "service", "shop/other", code=1) == "error: there is no Service shop/other\n"
    assert "error: --frob is not known as an option" in weftctl("get", "--frob", code=64)
    assert "unknown kind \"pods\"; expected one of Service, " in weftctl("get", *place, "pods", code=64)

    assert weftctl("delete", *place, "service", "shop/web") == "Service shop/web deleted\n"
    assert weftctl("delete", *place, "service", "shop/web", code=1) == "error: there is no Service shop/web\n"
    assert weftctl("delete", *place, "endpointslices", "shop/web-1") == "EndpointSlice shop/web-1 deleted\n"
assert lab.run("etcdctl", "get", "--prefix", "/weft/") == ""
assert list(mesh.registry.iterdir()) == [], list(mesh.registry.iterdir())

# Somebody's own file: what is alone in it is renewed there, what is not is left alone.
(mesh.registry / "mine.yaml").write_text(SERVICE)
assert weftctl("apply", "--folder", mesh.registry, "-f", "-", input=changed) == "Service shop/web configured\n"
assert (mesh.registry / "mine.yaml").read_text() == changed
(mesh.registry / "mine.yaml").write_text(both.read_text())
assert "is one of 2 documents in" in weftctl("apply", "--folder", mesh.registry, "-f", "-", code=69, input=changed)
assert "is one of 2 documents in" in weftctl("delete", "--folder", mesh.registry, "service", "shop/web", code=69)

# With anything else in it than what it is about, be it no resource or nothing that can be read, a file is left as it is.
mine = mesh.registry / "mine.yaml"
for rest, said in (("---\nsomething: else\n", "is one of 2 documents in"), ("---\nkind: [\n", "mend that first")):
    mine.write_text(SERVICE + rest)
    assert said in weftctl("apply", "--folder", mesh.registry, "-f", "-", code=69, input=changed)
    assert said in weftctl("delete", "--folder", mesh.registry, "service", "shop/web", code=69)
    assert mine.read_text() == SERVICE + rest
assert "mine.yaml" in weftctl("get", "--folder", mesh.registry, "service", "shop/other", code=69), "it may be in what can't be read"
mine.unlink()
# What contradicts what is there is not written: the node would be left with what it had.
mine.write_text(SERVICE.replace("name: web", "name: other"))
assert "is that of service shop/other" in weftctl("apply", "--folder", mesh.registry, "-f", "-", code=1, input=SERVICE)
assert [path.name for path in mesh.registry.iterdir()] == ["mine.yaml"]
mine.unlink()
for place in (["--etcd", URL], ["--folder", mesh.registry]):
    twice = SERVICE + "---\n" + SERVICE.replace("name: web", "name: other")
    assert "is that of service shop/" in weftctl("apply", *place, "-f", "-", code=1, input=twice)
# A value that is wrong is what is told, and not what stands behind it.
said = weftctl("register", "--etcd", URL, "--service", "shop/web", "--address", "10.1.0.7", "--port", "80", "--ttl", "1", "--", "true", code=64)
assert "--ttl: Value 1 not in range" in said, said
# Nor is a file that has the name of a new one.
(mesh.registry / "service.shop.web.yaml").write_text(SERVICE.replace("name: web", "name: other").replace("10.96.0.10", "10.96.0.11"))
assert "File exists" in weftctl("apply", "--folder", mesh.registry, "-f", "-", code=69, input=SERVICE)
assert "name: other" in (mesh.registry / "service.shop.web.yaml").read_text()
(mesh.registry / "service.shop.web.yaml").unlink()
# Who may read it, may then too. Those who write at once are one after another, and leave one file.
mine.write_text(SERVICE)
mine.chmod(0o640)
weftctl("apply", "--folder", mesh.registry, "-f", "-", input=changed)
assert mine.stat().st_mode & 0o777 == 0o640
mine.unlink()
both_at_once = [subprocess.Popen([lab.BUILD / "weftctl", "apply", "--folder", mesh.registry, "-f", both]) for _ in range(6)]
assert [process.wait(60) for process in both_at_once] == [0] * 6
assert sorted(path.name for path in mesh.registry.iterdir()) == ["endpointslice.shop.web-1.yaml", "service.shop.web.yaml"]

# What is in etcd and can't be read is not "not there": it is said, and a good one takes its place.
lab.run("etcdctl", "put", "/weft/v1/resources/Service/shop/web", "{half")
assert weftctl("get", "--etcd", URL, "service", "shop/web", code=1) == \
    'error: key "/weft/v1/resources/Service/shop/web": expected JSON\n'
assert "expected JSON" in weftctl("get", "--etcd", URL, "services", code=1)
assert weftctl("apply", "--etcd", URL, "-f", "-", input=SERVICE) == "Service shop/web configured\n"

# An input that breaks off is no input, and a configuration that weftd refuses is none for weftctl.
assert weftctl("apply", "--etcd", URL, "-f", "-", code=1, stdin=os.open("/", os.O_RDONLY)) == "error: standard input: Is a directory\n"
unknown = config("unknown.yaml", {"source": "etcd", "etcd": {"endpoints": [URL], "timeout": 5}})
assert "registry.etcd.timeout: unknown field" in weftctl("get", *unknown, "services", code=64)

# Without a registry, and without a node.
assert "no registry is named: say --etcd URL or --folder PATH" in weftctl("get", "services", code=64)
etcd.kill()
assert weftctl("get", "--etcd", URL, "services", code=69).startswith("error: etcd: ")
for words in (["help"], ["--help"]):
    said = weftctl(*words)
    assert "show endpoints" in said and "apply -f" in said, said
assert "--service" in weftctl("register", "--help")
