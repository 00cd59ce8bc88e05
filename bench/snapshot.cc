// SPDX-License-Identifier: Apache-2.0
/// @file What the registry's slow path costs at scale: a snapshot of all services, and one endpoint's change.
///
/// Services have one port and ten endpoints, each service and its slice are documents of a file of their own. Measured
/// is from changed resources to the finished publication; reading and parsing are cases of their own. `edit` times each
/// change by itself, since its 99th percentile is what is promised; the sink keeps one snapshot, as the data plane
/// does, so that freeing an old one counts too.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "registry-sync/builder.h"
#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"
#include "registry-sync/registry.h"

namespace {

using namespace weft::registry;

constexpr int kEndpointsEach = 10;
using Clock = std::chrono::steady_clock;

std::string dotted(const std::string& first, int number) {
  return first + "." + std::to_string(number >> 16) + "." + std::to_string(number >> 8 & 255) + "." +
         std::to_string(number & 255);
}

/// The file of one service. @param out which endpoint is not ready; -1: none
std::string file_of(int service, uint32_t table_size, int out) {
  const std::string name = "service-" + std::to_string(service);
  std::string text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + name +
                     "\n  annotations: {weft.dev/maglev-table-size: '" + std::to_string(table_size) +
                     "'}\nspec:\n  clusterIP: " + dotted("10", service + 256) +
                     "\n  ports: [{port: 80}]\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  "
                     "name: " +
                     name + "\n  labels: {kubernetes.io/service-name: " + name +
                     "}\naddressType: IPv4\nports: [{port: 8080}]\nendpoints:\n";
  for (int i = 0; i < kEndpointsEach; ++i) {
    text += "- addresses: [" + dotted("11", service * kEndpointsEach + i + 256) +
            "]\n  conditions: {ready: " + (i == out ? "false" : "true") + "}\n  targetRef: {kind: Pod, name: " + name +
            "-" + std::to_string(i) + "}\n";
  }
  return text;
}

std::shared_ptr<const ResourceSet> parsed(const std::string& file, const std::string& text) {
  return std::make_shared<ResourceSet>(parse_file(file, text).resources);
}

/// A registry from documents to publications.
struct Mesh {
  Mesh(int services, uint32_t table_size) : size(table_size) {
    for (int i = 0; i < services; ++i) {
      const std::string file = std::to_string(i);
      files[file] = parsed(file, file_of(i, size, -1));
    }
  }

  void publish() {
    builder.build(inventory.take_changes(), drains, {}, Clock::now());
    benchmark::DoNotOptimize(builder.take_changes());
    in_force = builder.snapshot();
  }

  uint32_t size;
  Inventory::Files files;
  Inventory inventory;
  Builder builder{1, {.services = 16384, .endpoints = 262144}, ""};
  std::set<Drain> drains;
  std::shared_ptr<const weft::lb::Snapshot> in_force;
};

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// Of this thread: what an edit costs where others keep it from its core.
double cpu_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

double percentile(std::vector<double> values, size_t percent) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, values.size() * percent / 100)];
}

/// From documents to the first snapshot.
void build(benchmark::State& state, int services, uint32_t table_size) {
  double bytes = 0;
  double resident = 0;
  for (auto _ : state) {
    state.PauseTiming();
    {
      Mesh mesh(services, table_size);
      const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
      state.ResumeTiming();
      mesh.inventory.replace(mesh.files);
      mesh.publish();
      state.PauseTiming();
      resident = static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd - before);
      bytes = 0;
      for (const weft::lb::Service& service : mesh.in_force->services()) {
        bytes += static_cast<double>(service.memory_bytes());
      }
    }
    state.ResumeTiming();
  }
  state.counters["milliseconds"] = benchmark::Counter(static_cast<double>(state.iterations()) / 1e3,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes"] = bytes;             // services, endpoints and tables
  state.counters["process_bytes"] = resident;  // and all that the registry keeps beside the documents
}

/// One endpoint that stops being ready, or is so again.
void edit(benchmark::State& state, int services, uint32_t table_size) {
  Mesh mesh(services, table_size);
  mesh.inventory.replace(mesh.files);
  mesh.publish();
  constexpr int kEdited = 64;
  std::vector<std::shared_ptr<const ResourceSet>> changed;
  for (int i = 0; i < kEdited; ++i) {
    const int service = services / kEdited * i;
    changed.push_back(parsed(std::to_string(service), file_of(service, table_size, i % kEndpointsEach)));
  }
  std::vector<double> took;
  std::vector<double> cpu;
  int turn = 0;
  for (auto _ : state) {
    const int number = turn % kEdited;
    const std::string file = std::to_string(services / kEdited * number);
    const bool out = turn / kEdited % 2 == 0;
    const double cpu_before = cpu_milliseconds();
    const auto start = Clock::now();
    mesh.inventory.set(file, out ? changed[static_cast<size_t>(number)] : mesh.files[file]);
    if (!mesh.inventory.clean()) {
      state.SkipWithError("the registry has errors");
      break;
    }
    mesh.publish();
    const auto duration = Clock::now() - start;
    took.push_back(milliseconds(duration));
    cpu.push_back(cpu_milliseconds() - cpu_before);
    state.SetIterationTime(std::chrono::duration<double>(duration).count());
    ++turn;
  }
  if (!took.empty()) {
    state.counters["milliseconds"] = percentile(took, 50);
    state.counters["milliseconds_p99"] = percentile(took, 99);
    state.counters["cpu_milliseconds"] = percentile(cpu, 50);
    state.counters["cpu_milliseconds_p99"] = percentile(cpu, 99);
  }
}

/// One file of a folder changed: all files are read, that one is parsed, and all the rest as in `edit`.
void reload(benchmark::State& state, int services) {
  constexpr uint32_t kTableSize = 251;
  std::string name = std::filesystem::temp_directory_path() / "weft-bench-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  const auto write = [&](int service, int out) {
    std::ofstream(folder / (std::to_string(service) + ".yaml")) << file_of(service, kTableSize, out);
  };
  for (int i = 0; i < services; ++i) {
    write(i, -1);
  }
  Registry registry({.folder = folder, .limits = {.services = 16384, .endpoints = 262144}}, {});
  registry.load({});
  int turn = 0;
  std::vector<double> took;
  for (auto _ : state) {
    write(turn, turn % kEndpointsEach);
    const auto start = Clock::now();
    if (!registry.load({.wall = {}, .steady = Clock::now()})) {
      state.SkipWithError("the edit changed nothing");
      break;
    }
    benchmark::DoNotOptimize(registry.publish());
    const auto duration = Clock::now() - start;
    took.push_back(milliseconds(duration));
    state.SetIterationTime(std::chrono::duration<double>(duration).count());
    ++turn;
  }
  std::filesystem::remove_all(folder);
  if (!took.empty()) {
    state.counters["milliseconds"] = percentile(took, 50);
  }
}

/// One file's text to resources.
void parse(benchmark::State& state) {
  const std::string text = file_of(1, 1021, -1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_file("f.yaml", text));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.counters["milliseconds"] = benchmark::Counter(static_cast<double>(state.iterations()) / 1e3,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kServices = 10000;
  const std::string scale =
      "/services:" + std::to_string(kServices) + "/endpoints:" + std::to_string(kServices * kEndpointsEach);
  for (const uint32_t size : {251U, 1021U}) {
    const std::string table = "/table:" + std::to_string(size);
    benchmark::RegisterBenchmark(("snapshot/build" + scale + table).c_str(), build, kServices, size)
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3);
    benchmark::RegisterBenchmark(("snapshot/edit" + scale + table).c_str(), edit, kServices, size)
        ->Unit(benchmark::kMillisecond)
        ->UseManualTime()
        ->Iterations(2000);
  }
  // A tenth of the services with tables of the default size: ten times this is what all would take.
  constexpr int kFewer = kServices / 10;
  benchmark::RegisterBenchmark("snapshot/build/services:1000/endpoints:10000/table:65537", build, kFewer, 65537U)
      ->Unit(benchmark::kMillisecond)
      ->Iterations(1);
  benchmark::RegisterBenchmark("snapshot/edit/services:1000/endpoints:10000/table:65537", edit, kFewer, 65537U)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(500);
  benchmark::RegisterBenchmark("snapshot/reload/files:10000", reload, kServices)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(20);
  benchmark::RegisterBenchmark("snapshot/parse/endpoints:10", parse)->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
