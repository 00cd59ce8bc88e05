# SPDX-License-Identifier: Apache-2.0
"""What can keep weftd from starting is one sentence that says what to do, and leaves nothing behind."""

import json
import os

import lab

lab.enter()
mesh = lab.Lab()

def fails(message, code, user=None, **changes):
    mesh.configure(**changes)
    os.chmod(mesh.folder, 0o777)
    command = [lab.BUILD / "weftd", "--config", mesh.config_file]
    if user:
        command = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", *command]
    done = lab.subprocess.run(command, stdout=lab.subprocess.PIPE, stderr=lab.subprocess.STDOUT, text=True, timeout=30)
    print(done.stdout.strip())
    assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}"
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 1, done.stdout
    assert message in lines[0], f"no {message!r} in {lines[0]}"
    links = [link["ifname"] for link in json.loads(lab.run("ip", "-j", "link"))]
    assert links == ["lo"], f"left behind: {links}"
    assert not lab.pathlib.Path("/sys/fs/bpf/weft").exists(), "pins were left behind"
    assert not mesh.socket.exists(), "the socket was left behind"

# The configuration.
fails("node.yaml:1: wrokers: unknown field", 64, wrokers=1)
fails("workers.cores: expected", 64, workers={"cores": []})
fails("ports: expected at least one port, or pods, or both", 64, pods=None)
fails("memory.megabytes: expected an integer from 64 to 65536, got", 64, memory={"megabytes": 1})
fails("next_hop: expected a MAC address", 64, ports=[{"name": "up", "device": "net_null0", "next_hop": "02:00"}])
mesh.config_file.unlink()
done = lab.run(lab.BUILD / "weftd", "--config", mesh.config_file, check=False)
assert "node.yaml" in done and len(done.splitlines()) == 1, done

# A registry in etcd: as far as it can be told without asking etcd, by --check as by a start.
tls = mesh.folder / "tls"
tls.mkdir()
for name in ("a", "b"):
    lab.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", tls / f"{name}.key", "-out", tls / f"{name}.pem", "-subj", f"/CN={name}")
lab.write(tls / "text", "hello")
lab.write(tls / "password", "\n")

def checks(messages, code, cache="", **etcd):
    """`messages`, one a line, before the last, which is the verdict."""
    mesh.configure(registry={"source": "etcd", "etcd": {"endpoints": ["https://10.0.0.1:2379"], **etcd}, "cache": cache})
    done = lab.subprocess.run([lab.BUILD / "weftd", "--config", mesh.config_file, "--check"], stdout=lab.subprocess.PIPE,
                              stderr=lab.subprocess.STDOUT, text=True, timeout=30)
    print(done.stdout.strip())
    *lines, verdict = done.stdout.strip().splitlines()
    assert done.returncode == code and verdict.startswith("not good" if code else "good"), done.stdout
    assert len(lines) == len(messages) and all(message in line for message, line in zip(messages, lines)), (messages, lines)

pair = {"certificate": str(tls / "a.pem"), "key": str(tls / "a.key"), "ca": str(tls / "b.pem")}
checks([], 0, **pair)
checks(["registry.etcd.endpoints[1]: \"10.0.0.2:2379\": neither http:// nor https:// is in front"], 64, endpoints=["http://10.0.0.1:2379", "10.0.0.2:2379"])
checks(["registry.etcd.endpoints[0]: \"http://10.0.0.1\": there is no port"], 64, endpoints=["http://10.0.0.1"])
checks(["registry.etcd.endpoints[1]: \"http://h:1\" is there twice"], 64, endpoints=["http://h:1", "http://h:1"])
checks(["registry.etcd.ca: is for https://"], 64, endpoints=["http://h:1"], ca=str(tls / "a.pem"))
checks([f"registry.etcd.ca: {tls}/nothing: can't be read: No such file"], 64, **{**pair, "ca": str(tls / "nothing")})
checks([f"registry.etcd.ca: {tls}/text: holds nothing in PEM"], 64, **{**pair, "ca": str(tls / "text")})
checks([f"registry.etcd.certificate: {tls}/a.key: holds no certificate"], 64, **{**pair, "certificate": str(tls / "a.key")})
checks([f"registry.etcd.key: {tls}/a.pem: holds no private key"], 64, **{**pair, "key": str(tls / "a.pem")})
checks([f"registry.etcd.key: {tls}/b.key: is not the key of the certificate in {tls}/a.pem"], 64, **{**pair, "key": str(tls / "b.key")})
checks(["registry.etcd.password_file", ], 64, user="weft", password_file=str(tls / "nothing"))
checks(["registry.etcd.password_file", ], 64, user="weft", password_file=str(tls / "password"))
checks(["warning: ", ], 0, cache=str(tls / "text" / "cache"))
checks(["is no file: weftd would ignore it"], 0, cache=str(tls))
checks([], 0, cache=str(tls / "to" / "be" / "made" / "cache"))
fails(f"registry.etcd.key: {tls}/b.key: is not the key", 69, registry={
    "source": "etcd", "etcd": {"endpoints": ["https://10.0.0.1:2379"], **pair, "key": str(tls / "b.key")}})

# What it is called with.
for arguments, message in ((["--frob"], "--frob is not known"), (["--config", mesh.config_file, "words"], "words is not known"), ([], "--config is required")):
    done = lab.subprocess.run([lab.BUILD / "weftd", *arguments], stdout=lab.subprocess.PIPE, stderr=lab.subprocess.STDOUT, text=True, timeout=30)
    assert done.returncode == 64 and message in done.stdout, (arguments, done)

# The machine.
fails("root", 69, user="65534", socket=str(mesh.folder / "weft.sock"))
fails("no_such_if", 69, pods=None, ports=[
    {"name": "up", "device": "net_af_xdp0,iface=no_such_if", "next_hop": "02:00:00:00:00:01"}])
fails("0000:7f:1f.7", 69, pods=None, ports=[
    {"name": "up", "device": "0000:7f:1f.7", "next_hop": "02:00:00:00:00:01"}])
fails("transmit_offload: net_null0 does not write the checksums of TCP", 69, pods=None, ports=[
    {"name": "up", "device": "net_null0", "next_hop": "02:00:00:00:00:01", "transmit_offload": True}])
fails("huge pages", 69, memory={"megabytes": 65536, "huge_pages": True})
fails("workers.cores: this process may not run on core 999", 69, workers={"cores": [999]})
fails("registry", 69, registry={"folder": str(mesh.folder / "nowhere")})
lab.run("umount", "/sys/fs/bpf")
fails("mount -t bpf", 69)
lab.run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")

# Another weftd.
mesh.configure()
mesh.start_weftd()
other = lab.subprocess.run([lab.BUILD / "weftd", "--config", mesh.config_file], stdout=lab.subprocess.PIPE,
                           stderr=lab.subprocess.STDOUT, text=True, timeout=30)
assert other.returncode == 69 and "is taken: another weftd runs" in other.stdout, other.stdout
assert mesh.ctl("show", "version")["node"] == "lab", "the first goes on"
assert mesh.weftd.stop() == 0
