# SPDX-License-Identifier: Apache-2.0
"""A mesh on one machine: pods in network namespaces, a real weftd, real servers and clients.

Everything lives in a mount, network and process namespace of its own (enter()), so nothing of it can be seen from outside,
any number of labs can run at once, and all of it is gone when the lab's first process is, however that ends.
"""

import atexit
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import metrics

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", ROOT / "build"))
GATEWAY = "169.254.1.1"  # every pod's next hop: the host's end of its own veth
GATEWAY6 = "fe80::1"
IN_LAB = "WEFT_IN_LAB"
SKIPPED = 77  # Meson's and automake's code for a test that could not run


class LabError(Exception):
    pass


def enter():
    """Goes on in fresh namespaces. Returns only there."""
    if os.environ.get(IN_LAB):
        os.environ.pop(IN_LAB)
        run("mount", "--make-rprivate", "/")
        # /run of its own holds the namespaces' names, DPDK's files and the lab's folder.
        for point, kind in (("/run", "tmpfs"), ("/sys/fs/bpf", "bpf")):
            os.makedirs(point, exist_ok=True)
            run("mount", "-t", kind, kind, point)
        os.makedirs("/run/netns")
        run("ip", "link", "set", "lo", "up")
        write("/proc/sys/net/ipv4/ip_forward", "1")
        write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        return
    if os.geteuid() != 0:
        print("this makes network namespaces: run it as root", file=sys.stderr)
        sys.exit(SKIPPED)
    # setpriv and --kill-child: whatever ends this process ends the namespaces. unshare(1) itself ignores signals.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
               "--mount-proc", sys.executable, *sys.argv]
    inside = subprocess.Popen(command, env={**os.environ, IN_LAB: "1"})
    try:
        sys.exit(inside.wait())
    except KeyboardInterrupt:
        inside.kill()
        sys.exit(130)


def run(*command, check=True, **options):
    """Runs to the end. @returns its output; raises with all that it said if it fails"""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def write(path, text):
    pathlib.Path(path).write_text(text)


def wait_until(what, condition, seconds=10):
    """Waits for a condition, never for a time. @returns what it returned"""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.01)


class Process:
    """A child that is ended by its pid, at the latest with the lab."""

    def __init__(self, command, log=None, **options):
        self.log = log
        with open(log or os.devnull, "wb") as output:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
        atexit.register(self.kill)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def stop(self, seconds=10):
        if self.running():
            self.popen.terminate()
        return self.popen.wait(seconds)

    def kill(self):
        if self.running():
            self.popen.kill()
            self.popen.wait()


class Namespace:
    """A network namespace, and what runs in it: a machine of its own, as far as the network can tell."""

    address6 = None

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.started = 0  # processes
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")
        # A port below these is free for a client that asks for one.
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=46000 60999")

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **options):
        return run(*self.inside(*command), **options)

    def start(self, *command, **options):
        self.started += 1
        log = self.lab.folder / f"{self.name}.{self.started}.{pathlib.Path(str(command[0])).name}.log"
        return Process(self.inside(*command), log, **options)

    @contextlib.contextmanager
    def entered(self):
        """Sockets that this thread makes within are of this namespace, and stay so."""
        clone_newnet, libc = 0x40000000, ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{self.name}") as other:
            if libc.setns(other.fileno(), clone_newnet) != 0:
                raise OSError(ctypes.get_errno(), f"entering {self.name}")
            try:
                yield
            finally:
                libc.setns(own.fileno(), clone_newnet)

    def serve_http(self, port=8080):
        """nginx that answers with the pod's name, and on /stream with a body that takes as long as its reader likes."""
        folder = self.lab.folder / f"nginx-{self.name}"
        (folder / "www").mkdir(parents=True, exist_ok=True)
        write(folder / "www" / "index.html", self.name + "\n")
        with open(folder / "www" / "stream", "wb") as body:
            body.truncate(64 << 20)
        write(folder / "nginx.conf", f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log; keepalive_requests 1000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen {port};{f" listen [::]:{port};" if self.address6 else ""} root {folder}/www; index index.html;
    add_header X-Pod {self.name}; add_header X-Client $remote_addr;
  }}
}}""")
        os.chmod(self.lab.folder, 0o755)
        server = self.start("nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf")
        wait_until(f"nginx of {self.name} listens", lambda: self.run("ss", "-ltnH", f"sport = :{port}"))
        return server


class Pod(Namespace):
    """A network namespace behind a veth, with an address (of each family, if two) and a default route: as a CNI would make
    it."""

    def __init__(self, lab, name, address, address6=None):
        super().__init__(lab, name)
        self.address, self.address6 = address, address6
        self.interface = f"v-{name}"
        lab.ip("link", "add", self.interface, "type", "veth", "peer", "eth0", "netns", name)
        lab.ip("address", "add", GATEWAY + "/32", "dev", self.interface)
        lab.ip("link", "set", self.interface, "up")
        lab.ip("route", "add", address + "/32", "dev", self.interface)
        self.run("ip", "address", "add", address + "/32", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", GATEWAY, "dev", "eth0", "scope", "link")
        self.run("ip", "route", "add", "default", "via", GATEWAY)
        if address6:
            lab.ip("address", "add", GATEWAY6 + "/64", "dev", self.interface, "nodad")
            lab.ip("route", "add", address6 + "/128", "dev", self.interface)
            self.run("ip", "address", "add", address6 + "/128", "dev", "eth0", "nodad")
            self.run("ip", "route", "add", "default", "via", GATEWAY6, "dev", "eth0")


def cable(one, one_name, other, other_name, *options):
    """A veth pair between two namespaces, up, without offloads: what leaves it is as it would be on a wire."""
    run("ip", "link", "add", one_name, "netns", one.name, *options, "type", "veth", "peer", other_name, "netns", other.name)
    for namespace, name in ((one, one_name), (other, other_name)):
        namespace.run("ethtool", "-K", name, "tx", "off", "gso", "off", "gro", "off", "tso", "off")
        namespace.run("ip", "link", "set", name, "up")


class Lab:
    """A node: its folder, its registry, its pods and its weftd. Call enter() first.

    The node is the lab's own network namespace, or with a name the one of that name, which is made if it is not there."""

    def __init__(self, netns=None):
        self.netns = netns
        if netns and not pathlib.Path("/run/netns", netns).exists():
            run("ip", "netns", "add", netns)
            self.ip("link", "set", "lo", "up")
            for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                run(*self.inside("tee", f"/proc/sys/net/{switch}"), input="1")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-lab-", dir="/run"))
        self.registry = self.folder / "registry"
        self.registry.mkdir()
        self.socket = self.folder / "weft.sock"
        self.config_file = self.folder / "node.yaml"
        self.weftd = None
        self.pods = {}

    def inside(self, *command):
        """The command in the node's network namespace, with the lab's mounts: `ip netns exec` would hide eBPF's pins."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *command] if self.netns else [*command]

    def ip(self, *words):
        return run("ip", *(["-n", self.netns] if self.netns else []), *words)

    def pod(self, name, address, address6=None):
        self.pods[name] = Pod(self, name, address, address6)
        return self.pods[name]

    # The registry's documents are written as JSON, which is YAML.
    def put(self, name, *documents):
        """Writes a file of the registry at once, as a careful tool does."""
        temporary = self.registry / f".{name}"
        temporary.write_text("---\n".join(json.dumps(document, indent=1) + "\n" for document in documents))
        temporary.rename(self.registry / name)

    @staticmethod
    def service(name, address, port=80, protocol="TCP", app_protocol=None, **spec):
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"clusterIP": address, "ports": [{"port": port, "protocol": protocol, "appProtocol": app_protocol}], **spec}}

    @staticmethod
    def slice(service, pods, port=8080, protocol="TCP", annotations=None, ready=True, family=4):
        return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
                "metadata": {"name": f"{service}-{protocol.lower()}-{port}-{family}", "annotations": annotations or {},
                             "labels": {"kubernetes.io/service-name": service}},
                "ports": [{"port": port, "protocol": protocol}],
                "endpoints": [{"addresses": [pod.address if family == 4 else pod.address6],
                               "conditions": {"ready": ready},
                               "targetRef": {"kind": "Pod", "name": pod.name}} for pod in pods]}

    @staticmethod
    def policy(service, **spec):
        return {"apiVersion": "weft.dev/v1", "kind": "ServicePolicy", "metadata": {"name": service},
                "spec": {"targetRef": {"group": "", "kind": "Service", "name": service}, **spec}}

    @staticmethod
    def http_route(name, service, *rules, **spec):
        """An HTTPRoute of the mesh: requests to the service go by these rules."""
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
                "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": service}], "rules": list(rules), **spec}}

    @staticmethod
    def both_protocols(service, address, pods, port, family=4, more=()):
        """A service of TCP and UDP on one port, as iperf3 needs it, and its endpoints. `more` ports come beside."""
        ports = [{"name": name, "port": port, "protocol": name.upper()} for name in ("tcp", "udp")] + list(more)
        slice = Lab.slice(service, pods, port, family=family)
        slice["ports"] = ports
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
                "spec": {"clusterIP": address, "ports": ports}}, slice

    def configure(self, **changes):
        config = {"node": "lab", "seed": 42, "socket": str(self.socket), "registry": {"folder": str(self.registry)},
                  "workers": {"cores": [0]}, "memory": {"megabytes": 128}, "flows": {"capacity": 65536}, "pods": {},
                  **changes}
        if config["registry"] and config["registry"].get("source") == "etcd":
            config["registry"] = {"cache": str(self.folder / "registry.cache"), **config["registry"]}
        self.config_file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

    def use_names(self, server, domain="cluster.local"):
        """Programs in the lab, whatever pod they are in, ask this server for names, and try short ones of services."""
        resolv = self.folder / "resolv.conf"
        resolv.write_text(f"nameserver {server}\nsearch default.svc.{domain} svc.{domain} {domain}\noptions ndots:5\n")
        run("mount", "--bind", resolv, "/etc/resolv.conf")

    def start_weftd(self, attach=True):
        if not self.config_file.exists():
            self.configure()
        self.weftd = Process(self.inside(BUILD / "weftd", "--config", self.config_file), self.folder / "weftd.log")
        wait_until("weftd answers", lambda: self.weftd_up(), 20)
        if attach:
            for pod in self.pods.values():
                self.ctl("pod", "attach", "netns", pod.name)
        return self.weftd

    def weftd_up(self):
        if not self.weftd.running():
            raise LabError("weftd ended:\n" + self.weftd_log())
        asked = subprocess.run([BUILD / "weftctl", "--socket", self.socket, "show", "version"], capture_output=True)
        return asked.returncode == 0

    def weftd_log(self):
        return self.weftd.log.read_text()

    def text(self, *words):
        """A command's answer as a person sees it."""
        return run(BUILD / "weftctl", "--socket", self.socket, *words)

    def ctl(self, *words):
        """A command's answer as data."""
        return json.loads(run(BUILD / "weftctl", "--socket", self.socket, "--json", *words))

    def metrics(self):
        """What `show metrics` says, read strictly: see metrics.py."""
        return metrics.read(self.text("show", "metrics"))

    def metric(self, name, **labels):
        """The sum over what has these labels."""
        return sum(value for (family, own), value in self.metrics().items() if family == name and labels.items() <= dict(own).items())

    def tcp(self, name):
        """What `show tcp` says of it, of all workers together."""
        shown = self.ctl("show", "tcp")
        counts = {row["name"]: row["count"] for row in shown["counters"]}
        return counts[name] if name in counts else sum(row[name] for row in shown["workers"])

    def verdict(self, name):
        return next(row["packets"] for row in self.ctl("show", "drops")["workers"] if row["name"] == name)

    def ebpf(self, name):
        return next(row["packets"] for row in self.ctl("show", "drops")["ebpf"] if row["name"] == name)

    def wait_epoch(self, before):
        """Until every worker uses a snapshot later than `before`."""
        wait_until(f"workers left epoch {before}",
                   lambda: min(self.ctl("show", "snapshot")["worker_epochs"]) > before)

    def epoch(self):
        return self.ctl("show", "snapshot")["epoch"]

    def update(self, name, *documents):
        """put(), and wait until the workers have it."""
        before = self.epoch()
        self.put(name, *documents)
        self.wait_epoch(before)

    def check_books(self):
        """Every packet that a worker received ended in exactly one way."""
        books = self.ctl("show", "drops")
        came = books["received"] + books["taken_over"] + books["originated"]
        ended = books["transmitted"] + books["delivered"] + books["passed"] + books["handed_over"] + books["dropped"]
        assert came == ended, f"{came} came, {ended} accounted for"
        assert came == sum(row["packets"] for row in books["workers"])
