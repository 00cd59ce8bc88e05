// SPDX-License-Identifier: Apache-2.0
/// @file What a registry in etcd costs at scale: from nothing to the snapshot of all services, and from etcd's
/// acknowledgement of a change to the snapshot that has it, while 1,000 changes a second flow.
///
/// One real member of etcd, its data in memory, in a network namespace with this process; the client, its thread,
/// parser, admission, builder and allocator are the product's. 10,000 services of one port, each with ten instances on
/// leases and a table of 1021 (a default table of 65537 suits 650 instances). A change is an instance of its own that
/// registers, or goes. Needs root.
#include <benchmark/benchmark.h>
#include <jemalloc/jemalloc.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "etcd_bed.h"
#include "registry-sync/syncer.h"

namespace {

using namespace weft::registry;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kServices = 10000;
constexpr int kInstancesEach = 10;
constexpr int kWriters = 4;
constexpr int kLeases = 100;
constexpr int kRate = 1000;
constexpr auto kMeasured = 20s;

std::string dotted(int first, int number) {
  return std::to_string(first) + "." + std::to_string(number >> 16) + "." + std::to_string(number >> 8 & 255) + "." +
         std::to_string(number & 255);
}

/// In the order of names, a service's number is its place.
std::string service_name(int number) {
  return "service-" + std::to_string(10000 + number);
}

std::string service_value(int number) {
  return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + service_name(number) +
         R"(","annotations":{"weft.dev/maglev-table-size":"1021"}},"spec":{"clusterIP":")" + dotted(10, number + 256) +
         R"(","ports":[{"name":"http","port":80,"protocol":"TCP"}]}})";
}

std::string instance_key(int service, const std::string& id) {
  return "/weft/v1/endpoints/default/" + service_name(service) + "/" + id;
}

std::string instance_value(const std::string& address) {
  return R"({"addresses":[")" + address +
         R"("],"ports":[{"name":"http","port":8080,"protocol":"TCP"}],"weight":1,"zone":"a",)"
         R"("conditions":{"ready":true,"serving":true,"terminating":false},"nodeName":"node-17"})";
}

/// etcd with all of it.
struct Store {
  weft::EtcdBed bed{1, {"--quota-backend-bytes=4294967296"}};
  std::vector<int64_t> leases;

  Store() {
    const auto client = connect();
    weft::comes_true([&] { return client->put("/ready", "").has_value(); });
    for (int i = 0; i < kLeases; ++i) {
      leases.push_back(*client->grant(3600s));
    }
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([this, writer] { fill(writer); });
    }
  }
  std::unique_ptr<weft::etcd::Client> connect() const {
    return *weft::etcd::Client::make({.endpoints = bed.urls(), .timeout = 10s});
  }
  void fill(int writer) const {
    const auto client = connect();
    for (int service = writer; service < kServices; service += kWriters) {
      client->put("/weft/v1/resources/Service/default/" + service_name(service), service_value(service)).value();
      for (int i = 0; i < kInstancesEach; ++i) {
        client
            ->put(instance_key(service, "i" + std::to_string(i)),
                  instance_value(dotted(11, service * kInstancesEach + i + 256)),
                  leases[static_cast<size_t>(service % kLeases)])
            .value();
      }
    }
  }
};

Store& store() {
  static Store filled;
  return filled;
}

/// What is asked for, and when etcd had it; found by looking into each snapshot.
struct Awaited {
  int service;
  weft::lb::Address address;
  bool there;  ///< else gone
  Clock::time_point acknowledged;
};

struct Node {
  std::mutex mutex;
  std::shared_ptr<const weft::lb::Snapshot> snapshot;
  std::vector<Awaited> awaited;
  std::vector<double> took;  ///< milliseconds
  std::unique_ptr<Syncer> syncer;

  Node() {
    auto started =
        Syncer::start({.endpoints = store().bed.urls(), .timeout = 10s},
                      {.folder = {}, .seed = 1, .limits = {.services = 16384, .endpoints = 262144}, .zone = {}},
                      {.sink = [this](const Publication& publication) { take(publication.snapshot); }, .in_use = {}});
    syncer = std::move(started.value());
    weft::comes_true([this] { return syncer->status().whole; });
  }
  void take(std::shared_ptr<const weft::lb::Snapshot> next) {
    const std::lock_guard lock(mutex);
    snapshot = std::move(next);
    look(Clock::now());
  }
  /// Under the mutex.
  void look(Clock::time_point now) {
    std::erase_if(awaited, [&](const Awaited& each) {
      const auto& endpoints = snapshot->services()[static_cast<size_t>(each.service)].endpoints;
      const bool there = std::any_of(endpoints.begin(), endpoints.end(),
                                     [&](const auto& endpoint) { return endpoint.address == each.address; });
      if (there == each.there) {
        took.push_back(std::max(0.0, std::chrono::duration<double, std::milli>(now - each.acknowledged).count()));
      }
      return there == each.there;
    });
  }
  void await(Awaited change) {
    const std::lock_guard lock(mutex);
    const Clock::time_point now = change.acknowledged;
    awaited.push_back(std::move(change));
    look(now);  // it may have come before the acknowledgement did
  }
};

/// Of the heap: what is allocated, and what it takes of memory, with all that lies between.
struct HeapBytes {
  double allocated;
  double resident;
};

HeapBytes heap_bytes() {
  const auto read = [](const char* name) {
    size_t value = 0;
    size_t size = sizeof value;
    mallctl(name, &value, &size, nullptr, 0);
    return static_cast<double>(value);
  };
  uint64_t epoch = 1;
  size_t size = sizeof epoch;
  mallctl("epoch", &epoch, &size, &epoch, size);  // else it says what it was when last asked
  return {.allocated = read("stats.allocated"), .resident = read("stats.resident")};
}

void load(benchmark::State& state) {
  store();
  for (auto _ : state) {
    const HeapBytes before = heap_bytes();
    const auto start = Clock::now();
    Node node;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    state.SetIterationTime(seconds);
    size_t endpoints = 0;
    for (const auto& service : node.snapshot->services()) {
      endpoints += service.endpoints.size();
    }
    if (endpoints != size_t{kServices} * kInstancesEach) {
      state.SkipWithError("not all is in the snapshot");
    }
    state.counters["seconds"] = seconds;
    const HeapBytes after = heap_bytes();
    state.counters["bytes"] = after.allocated - before.allocated;
    state.counters["resident_bytes"] = after.resident - before.resident;
  }
}

/// Every other change registers an instance; the others take one away that registered a while ago: within one snapshot,
/// nobody would see that it was there.
void write(Node& node, int writer, Clock::time_point until, std::atomic<size_t>& changes) {
  const auto client = store().connect();
  constexpr int kStays = 500;
  int registered = 0;
  int removed = 0;
  auto next = Clock::now();
  for (int turn = 0; Clock::now() < until; ++turn) {
    std::this_thread::sleep_until(next);
    next += std::chrono::microseconds(1'000'000 * kWriters / kRate);
    const bool comes = turn % 2 == 0 || registered - removed < kStays;
    const int number = (comes ? registered++ : removed++) * kWriters + writer;
    const int service = static_cast<int>(static_cast<unsigned>(number) * 2654435761U % kServices);
    const std::string key = instance_key(service, "new-" + std::to_string(number));
    const std::string address = dotted(12, number + 256);
    if (comes) {
      client->put(key, instance_value(address), store().leases[static_cast<size_t>(service % kLeases)]).value();
    } else {
      client->remove(key).value();
    }
    node.await({service, *weft::lb::parse_address(address), comes, Clock::now()});
    ++changes;
  }
}

double percentile(std::vector<double> values, size_t percent) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, values.size() * percent / 100)];
}

void change(benchmark::State& state) {
  Node node;
  for (auto _ : state) {
    std::atomic<size_t> changes = 0;
    const auto start = Clock::now();
    {
      std::vector<std::jthread> writers;
      for (int writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back([&, writer] { write(node, writer, start + kMeasured, changes); });
      }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    weft::comes_true([&] {
      const std::lock_guard lock(node.mutex);
      return node.awaited.empty();
    });
    state.SetIterationTime(seconds);
    if (node.took.size() != changes) {
      state.SkipWithError("a change did not reach the snapshot");
      break;
    }
    state.counters["p50_ms"] = percentile(node.took, 50);
    state.counters["p99_ms"] = percentile(node.took, 99);
    state.counters["changes_per_second"] = static_cast<double>(changes) / seconds;
    state.counters["snapshots"] = static_cast<double>(node.snapshot->epoch());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (unshare(CLONE_NEWNET) != 0) {
    std::fprintf(stderr, "this makes a network namespace: run it as root\n");
    return 1;
  }
  benchmark::RegisterBenchmark("registry/load/endpoints:100000", load)->UseManualTime()->Iterations(1);
  benchmark::RegisterBenchmark("registry/change/rate:1000", change)->UseManualTime()->Iterations(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
