# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench http-wire puts between wrk and nginx, one at a time: weft, haproxy, nginx, or the kernel's routing alone. All
take the same requests by the same 20 routes to the same origin, and each has one thread, alone on its core."""

import dataclasses
import os
import pathlib
import time

import lab

ROUTES = 20
ORIGIN, ORIGIN_PORT = "10.1.0.10", 8080
NODE, VIP = "10.2.0.1", "10.96.0.10"
FIRST = ("nice", "-n", "-20")  # all that is measured, so that what else the machine does waits
FOLDERS = " ".join(f"{kind}_temp_path {{folder}};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

ORIGIN_CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; """ + FOLDERS + """
  server {{ listen {port} backlog=4096; default_type application/json; location / {{ return 200 "{body}"; }} }}
}}"""
NGINX_CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; """ + FOLDERS + """
  upstream origin {{ server {origin}; keepalive 256; keepalive_requests 1000000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
  server {{ listen {port} backlog=4096; {routes} }}
}}"""
NGINX_ROUTE = "location /service-{}/ {{ proxy_pass http://origin; }}\n"
HAPROXY_CONFIG = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend clients
  bind :{port} backlog 4096
{routes}
backend origin
  server origin {origin}
"""
HAPROXY_ROUTE = "  use_backend origin if {{ path_beg /service-{}/ }}\n"


@dataclasses.dataclass
class Usage:
    """Of its core by a proxy, since some time: that it worked, of all that there was, in one unit; and in nanoseconds that it stood
    in line for it, while others had it."""

    worked: int
    all: int
    waited: int

    def __sub__(self, before):
        return Usage(self.worked - before.worked, self.all - before.all, self.waited - before.waited)


def scheduled(tasks):
    """By the scheduler's account, in nanoseconds: for how long these had a core, and for how long they waited for one."""
    times = [list(map(int, (task / "schedstat").read_text().split())) for task in tasks]
    return sum(had for had, _, _ in times), sum(waited for _, waited, _ in times)


class Kernel:
    """No proxy."""

    name, address = "direct", f"{ORIGIN}:{ORIGIN_PORT}"

    def __init__(self, mesh, core):
        self.mesh, self.core = mesh, core

    def start(self):
        pass

    def stop(self):
        pass

    def usage(self):
        return None


class Peer(Kernel):
    """A proxy of sockets."""

    def start(self):
        folder = self.mesh.folder / f"proxy-{self.name}"
        folder.mkdir(exist_ok=True)
        routes = "".join(self.route.format(number) for number in range(ROUTES))
        lab.write(folder / "config", self.config.format(folder=folder, port=self.port, routes=routes, origin=f"{ORIGIN}:{ORIGIN_PORT}"))
        command = [word.format(folder=folder) for word in self.command]
        self.process = lab.Process(["taskset", "-c", str(self.core), *FIRST, *command], folder / "log")
        lab.wait_until(f"{self.name} listens", lambda: lab.run("ss", "-ltnH", f"sport = :{self.port}"))

    def stop(self):
        self.process.stop()

    def usage(self):
        """User and system time, with what softirq did in its context."""
        own = pathlib.Path(f"/proc/{self.process.pid}")
        children = (own / f"task/{self.process.pid}/children").read_text().split()
        had, waited = scheduled([own, *(pathlib.Path("/proc", child) for child in children)])
        return Usage(had, time.monotonic_ns(), waited)


class Haproxy(Peer):
    name, port, address = "haproxy", 8001, f"{NODE}:8001"
    config, route, command = HAPROXY_CONFIG, HAPROXY_ROUTE, ["haproxy", "-db", "-f", "{folder}/config"]


class Nginx(Peer):
    name, port, address = "nginx", 8002, f"{NODE}:8002"
    config, route, command = NGINX_CONFIG, NGINX_ROUTE, ["nginx", "-e", "{folder}/error.log", "-c", "{folder}/config"]


class Weft(Kernel):
    """One worker, which polls without a pause. Its usage is the time of polls that did work."""

    name, address = "weft", VIP

    def start(self):
        mesh = self.mesh
        rules = [{"matches": [{"path": {"type": "PathPrefix", "value": f"/service-{number}"}}],
                  "backendRefs": [{"name": "web", "port": 80}]} for number in range(ROUTES)]
        mesh.put("web.yaml", mesh.service("web", VIP), mesh.slice("web", [mesh.pods["origin"]], ORIGIN_PORT),
                 mesh.http_route("first", "web", *rules[:10]), mesh.http_route("second", "web", *rules[10:]))
        mesh.configure(workers={"cores": [self.core], "idle": {"mode": "busy"}}, snat={"addresses": ["10.9.0.1"]})
        mesh.start_weftd()
        for task in self.workers():
            os.setpriority(os.PRIO_PROCESS, int(task.name), int(FIRST[-1]))

    def workers(self):
        tasks = pathlib.Path(f"/proc/{self.mesh.weftd.pid}/task").iterdir()
        return [task for task in tasks if (task / "comm").read_text().startswith("rte-worker")]

    def stop(self):
        self.mesh.check_books()
        self.mesh.weftd.stop()

    def usage(self):
        """Cycles of polls that did work, with what the kernel did for them; it polls all the time."""
        worker, = self.mesh.ctl("show", "workers")
        _, waited = scheduled(self.workers())
        return Usage(worker["busy_cycles"], worker["busy_cycles"] + worker["idle_cycles"], waited)


ALL = (Weft, Haproxy, Nginx, Kernel)
