// SPDX-License-Identifier: Apache-2.0
/// @file One endpoint's change on a node with pods, at scale: from changed resources to eBPF's maps and the worker.
///
/// 10,000 services of ten endpoints. Each change takes an endpoint away or brings another, so that the maps of the
/// kernel are edited too, which are real, in a namespace of their own; a thread in a worker's place reads snapshots,
/// as publishing waits for it. Needs root.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "node/steering.h"
#include "pods/pods.h"
#include "registry-sync/builder.h"
#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"
#include "runtime/publisher.h"

namespace {

using namespace weft;
using Clock = std::chrono::steady_clock;

constexpr int kServices = 10'000;
constexpr int kEndpointsEach = 10;

std::string dotted(const std::string& first, int number) {
  return first + "." + std::to_string(number >> 16) + "." + std::to_string(number >> 8 & 255) + "." +
         std::to_string(number & 255);
}

/// @param first of its endpoints: another one each generation
std::shared_ptr<const registry::ResourceSet> file_of(int service, int first) {
  const std::string name = "service-" + std::to_string(service);
  std::string text =
      "{apiVersion: v1, kind: Service, metadata: {name: " + name +
      ", annotations: {weft.dev/maglev-table-size: '1021'}}, spec: {clusterIP: " + dotted("10", service + 256) +
      ", ports: [{port: 80}]}}\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: "
      "{name: " +
      name + ", labels: {kubernetes.io/service-name: " + name +
      "}}, addressType: IPv4, ports: [{port: 8080}], endpoints: [";
  for (int i = first; i < first + kEndpointsEach; ++i) {
    text += "{addresses: [" + dotted("11", service * 20 + i + 256) + "]}, ";
  }
  return std::make_shared<registry::ResourceSet>(registry::parse_file(name, text + "]}\n").resources);
}

double percentile(std::vector<double> values, size_t percent) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, values.size() * percent / 100)];
}

double cpu_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

/// A thread that does of a worker what publishing waits for.
class Reader {
 public:
  explicit Reader(runtime::SnapshotPublisher& publisher)
      : thread_([&publisher, this] {
          runtime::SnapshotPublisher::Reader reader(publisher, 0);
          while (!stop_) {
            reader.online();
            benchmark::DoNotOptimize(reader.read().epoch());
            reader.quiescent();
            reader.offline();  // as an idle worker
            std::this_thread::sleep_for(std::chrono::microseconds(100));
          }
        }) {}
  ~Reader() {
    stop_ = true;
    thread_.join();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

void edit(benchmark::State& state) {
  auto pods = pods::Pods::start({.workers = 1});
  if (!pods) {
    state.SkipWithError(pods.error().c_str());
    return;
  }
  runtime::SnapshotPublisher publisher(
      1, std::make_shared<lb::Snapshot>(0, 1, std::vector<lb::Service>{}),
      std::make_shared<const l4::Forwarding>(std::vector<l4::Port>{}, std::vector<l4::NextHop>{},
                                             std::vector<l4::Route>{}));
  node::Steering steering(**pods, [&](const auto& snapshot) { publisher.publish(snapshot); });
  const Reader reader(publisher);
  registry::Inventory inventory;
  registry::Builder builder(1, {.services = 16384, .endpoints = 131072}, "");
  std::set<registry::Drain> drains;
  const auto publish = [&] {
    builder.build(inventory.take_changes(), drains, {}, Clock::now());
    return steering.take({.snapshot = builder.snapshot(), .endpoints = builder.take_changes()});
  };
  for (int service = 0; service < kServices; ++service) {
    inventory.set(std::to_string(service), file_of(service, 0));
  }
  const auto first_start = Clock::now();
  if (const auto done = publish(); !done) {
    state.SkipWithError(done.error().c_str());
    return;
  }
  const std::chrono::duration<double> first = Clock::now() - first_start;
  std::vector<double> took;
  std::vector<double> cpu;
  int turn = 0;
  for (auto _ : state) {
    const int service = turn * 7 % kServices;
    const auto changed = file_of(service, 1 + turn / kServices);
    const double cpu_before = cpu_milliseconds();
    const auto start = Clock::now();
    inventory.set(std::to_string(service), changed);
    const auto done = publish();
    const auto duration = Clock::now() - start;
    if (!done) {
      state.SkipWithError(done.error().c_str());
      return;
    }
    took.push_back(std::chrono::duration<double, std::milli>(duration).count());
    cpu.push_back(cpu_milliseconds() - cpu_before);
    state.SetIterationTime(std::chrono::duration<double>(duration).count());
    ++turn;
  }
  state.counters["first_seconds"] = first.count();
  state.counters["milliseconds"] = percentile(took, 50);
  state.counters["milliseconds_p99"] = percentile(took, 99);
  state.counters["cpu_milliseconds"] = percentile(cpu, 50);
  state.counters["cpu_milliseconds_p99"] = percentile(cpu, 99);
}

bool enter_own_namespaces() {
  return unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0 && mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (!enter_own_namespaces()) {
    std::perror("cannot enter namespaces of its own: run it as root");
    return 1;
  }
  benchmark::RegisterBenchmark("publish/edit/services:10000/endpoints:100000/pods", edit)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(2000);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
