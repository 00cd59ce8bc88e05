#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wrk -> proxy -> nginx, in network namespaces over veth: weft, haproxy, nginx and no proxy in turn. scripts/bench http-wire.

The proxy has one core to itself, wrk and the origin share the other. A request is 300 bytes, its response 500. Each round starts
each proxy anew and runs all cases with it; figures are medians of the rounds. docs/benchmarks.md says how to read them.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import sys
import time

import lab
import proxies

ROUNDS = 5
SECONDS = 2
CASES = {"keepalive/c:64": (64, True), "keepalive/c:16": (16, True), "keepalive/c:1": (1, True), "close/c:64": (64, False)}
PATH = "/service-13/items/4711?full=true"
REQUEST, RESPONSE = 300, 500
MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}


def headers(keepalive):
    """Of a request that is REQUEST bytes long, or as much longer as asking to close takes."""
    lines = ["Host: shop.example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Accept: application/json, text/plain, */*",
             "Accept-Encoding: gzip, deflate, br", "Authorization: Bearer 0123456789abcdef", "Cookie: "]
    size = len(f"GET {PATH} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n")
    lines[-1] += "c" * (REQUEST - size)
    return lines if keepalive else [*lines, "Connection: close"]


class Bed:
    def __init__(self, core, origin_core):
        self.beside = ("taskset", "-c", origin_core, *proxies.FIRST)
        self.mesh = lab.Lab()
        self.client, self.origin = self.mesh.pod("client", "10.1.0.1"), self.mesh.pod("origin", proxies.ORIGIN)
        self.mesh.ip("address", "add", proxies.NODE + "/32", "dev", "lo")
        self.client.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=2000 65000")
        self.refuse_packet_steering()
        self.serve(RESPONSE)
        self.proxies = [proxy(self.mesh, core) for proxy in proxies.ALL]

    def refuse_packet_steering(self):
        """It would move the kernel's work for the peers, and for weft, to another core than who caused it."""
        # What /sys shows is the namespace's that it was mounted in.
        show = "cat /sys/class/net/*/queues/rx-*/rps_cpus"
        for masks in (lab.run("unshare", "--mount", "sh", "-c", f"mount -t sysfs sysfs /sys && {show}"),
                      self.client.run("sh", "-c", show), self.origin.run("sh", "-c", show)):
            if set(masks) - set("0,\n"):
                raise lab.LabError(f"receive-packet steering is on: {masks}")

    def serve(self, size):
        """The origin's responses are `size` bytes."""
        folder = self.mesh.folder / "origin"
        folder.mkdir()
        server = None
        body = 100
        for _ in range(3):
            if server:
                server.stop()
            lab.write(folder / "config", proxies.ORIGIN_CONFIG.format(folder=folder, port=proxies.ORIGIN_PORT, body="b" * body))
            server = self.origin.start(*self.beside, "nginx", "-e", folder / "error.log", "-c", folder / "config")
            lab.wait_until("the origin listens", lambda: self.origin.run("ss", "-ltnH", f"sport = :{proxies.ORIGIN_PORT}"))
            sizes = self.curl(f"{proxies.ORIGIN}:{proxies.ORIGIN_PORT}", "%{size_header} %{size_download}").split()
            if sum(map(int, sizes)) == size:
                return
            body += size - sum(map(int, sizes))
        raise lab.LabError(f"no response of {size} bytes")

    def curl(self, address, said, path=PATH):
        return self.client.run("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", said, f"http://{address}{path}")

    def routes(self, proxy):
        """Whether the proxy has the routes: what they name is answered, and nothing else."""
        statuses = [self.curl(proxy.address, "%{http_code}", f"/service-{number}/") for number in (0, 13, proxies.ROUTES - 1)]
        other = self.curl(proxy.address, "%{http_code}", "/other/")
        expected = "200" if proxy.name == "direct" else "503" if proxy.name == "haproxy" else "404"
        return statuses == ["200"] * 3 and other == expected

    def measure(self, proxy, connections, keepalive):
        words = [word for line in headers(keepalive) for word in ("-H", line)]
        before, start = proxy.usage(), time.monotonic()
        said = self.client.run(*self.beside, "wrk", "-t", 1, "-c", connections, "-d", f"{SECONDS}s", "--timeout", "5s", "--latency", *words,
                               f"http://{proxy.address}{PATH}")
        after, elapsed = proxy.usage(), time.monotonic() - start
        if "Socket errors" in said or "Non-2xx" in said:
            raise lab.LabError(f"{proxy.name}: {said}")
        requests = int(re.search(r"(\d+) requests in", said)[1])
        result = {"requests": requests, "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])}
        for percent in (50, 99):
            number, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", said).groups()
            result[f"p{percent}_us"] = float(number) * MICROSECONDS[unit]
        if before:
            used = after - before
            result["cpu_us_per_request"] = 1e6 * elapsed * used.worked / used.all / requests
            result["waited_percent"] = 100 * used.waited / 1e9 / elapsed
        return result


def benchmark(index, name, rounds):
    """As Google Benchmark's JSON has it. An iteration is a request."""
    figures = {key: statistics.median(result[key] for result in rounds) for key in rounds[0] if key != "requests"}
    return {"name": name, "family_index": index, "per_family_instance_index": 0, "run_name": name, "run_type": "iteration",
            "repetitions": 1, "repetition_index": 0, "threads": 1, "iterations": sum(result["requests"] for result in rounds),
            "real_time": 1e6 / figures["requests_per_second"], "cpu_time": figures.get("cpu_us_per_request", 0), "time_unit": "us",
            **figures}


def table(benchmarks):
    columns = ("requests_per_second", "cpu_us_per_request", "p50_us", "p99_us", "waited_percent")
    width = max(len(benchmark["name"]) for benchmark in benchmarks)
    print(" " * width, *columns)
    for benchmark in benchmarks:
        print(benchmark["name"].ljust(width),
              *(f"{benchmark[column]:{len(column)}.{0 if benchmark[column] > 1e4 else 2}f}" if column in benchmark else " " * len(column)
                for column in columns))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench http-wire")
    parser.add_argument("--json", action="store_true", help="Google Benchmark's JSON on standard output")
    parser.add_argument("--benchmark_filter", default="", metavar="REGEX", help="of the cases' names")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    lab.enter()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("this needs two cores: one for the proxy, one for all else")
    bed = Bed(core=cores[-1], origin_core=cores[0])
    results = {}
    for _ in range(options.rounds):
        for proxy in bed.proxies:
            chosen = {name: case for case in CASES if re.search(options.benchmark_filter, name := f"http-wire/{proxy.name}/{case}")}
            if not chosen:
                continue
            proxy.start()
            lab.wait_until(f"{proxy.name} has its routes", lambda: bed.routes(proxy))
            for name, case in chosen.items():
                result = bed.measure(proxy, *CASES[case])
                results.setdefault(name, []).append(result)
                print(f"{name}: {result['requests_per_second']:.0f} requests a second, {result.get('cpu_us_per_request', 0):.1f} us each, "
                      f"p50 {result['p50_us']:.0f} us, p99 {result['p99_us']:.0f} us", file=sys.stderr)
            proxy.stop()
    benchmarks = [benchmark(index, name, rounds) for index, (name, rounds) in enumerate(results.items())]
    if not options.json:
        table(benchmarks)
        return
    context = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "host_name": platform.node(),
               "executable": "scripts/bench http-wire", "num_cpus": os.cpu_count(), "load_avg": os.getloadavg(),
               "library_build_type": "release", "rounds": options.rounds, "seconds": SECONDS, "routes": proxies.ROUTES,
               "request_bytes": REQUEST, "response_bytes": RESPONSE, "haproxy": lab.run("haproxy", "-v").split()[2],
               "nginx": lab.run("nginx", "-v").split("/")[1].strip()}
    json.dump({"context": context, "benchmarks": benchmarks}, sys.stdout, indent=2)
    print()


main()
