// SPDX-License-Identifier: Apache-2.0
/// @file A thousand edits of endpoints a second, of wall time, while two workers on threads of their own forward: the
/// registry's real thread, builder and publisher, in-memory ports.
///
/// An oracle knows each flow's endpoint from its first packet on, and checks every packet: none is lost, none goes
/// elsewhere. Slots and memory must not grow.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "pipeline_bed.h"
#include "registry-sync/syncer.h"
#include "runtime/eal.h"
#include "runtime/worker.h"
#include "wire.h"

namespace weft::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr uint32_t kWorkers = 2;
constexpr int kEditsASecond = 1000;
constexpr int kEdits = 5 * kEditsASecond;
constexpr std::chrono::seconds kPatience{40};  ///< on a machine that others keep busy
constexpr int kServices = 40;                  ///< the first has the traffic
constexpr int kAddresses = 24;                 ///< of each service; half of them are in the registry at a time
constexpr uint32_t kFlows = 300;               ///< of each worker
constexpr uint32_t kEndpointSlots = 4096;

runtime::Eal* eal = nullptr;  // main() owns it

std::string address(int service, int number) {
  return "10.2." + std::to_string(service) + "." + std::to_string(number + 1);
}

/// A service and those of its endpoints that `random` says, ready or not.
std::string file_of(int service, std::mt19937& random) {
  const std::string name = "s" + std::to_string(service);
  std::string text = "{apiVersion: v1, kind: Service, metadata: {name: " + name +
                     ", annotations: {weft.dev/maglev-table-size: '1021'}}, spec: {clusterIP: 10.96.0." +
                     std::to_string(service + 1) +
                     ", ports: [{port: 80}]}}\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: "
                     "{name: " +
                     name + ", labels: {kubernetes.io/service-name: " + name +
                     "}}, addressType: IPv4, ports: [{port: 8080}], endpoints: [";
  const auto first = random() % kAddresses;
  for (uint32_t i = 0; i < kAddresses / 2; ++i) {
    text += "{addresses: [" + address(service, static_cast<int>((first + i) % kAddresses)) +
            "], conditions: {ready: " + (random() % 4 == 0 ? "false" : "true") + "}}, ";
  }
  return text + "]}\n";
}

/// The registry's folder, written to as careful tools do.
class Folder {
 public:
  Folder() {
    // In memory, so that the storm is as fast as it should be.
    const bool has_memory = std::filesystem::is_directory("/dev/shm");
    std::string name =
        (has_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) / "weft-storm-XXXXXX";
    base_ = mkdtemp(name.data());
    std::filesystem::create_directory(path());
    for (int service = 0; service < kServices; ++service) {
      write(service);
    }
  }
  ~Folder() { std::filesystem::remove_all(base_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path path() const { return base_ / "registry"; }
  void write(int service) {
    std::ofstream(base_ / "new") << file_of(service, random_);
    std::filesystem::rename(base_ / "new", path() / (std::to_string(service) + ".yaml"));
  }

 private:
  std::filesystem::path base_;
  std::mt19937 random_{3};
};

/// One flow as its client and the oracle know it.
struct Conversation {
  Socket client;
  std::optional<lb::Ipv4Address> endpoint;  ///< none before its first packet
};

/// A worker on its own thread, both its ports, and the flows that go through it.
class Lane {
 public:
  Lane(uint32_t number, runtime::SnapshotPublisher& publisher, runtime::Crossings& crossings,
       const time::TscClock& clock)
      : number_(number) {
    runtime::WorkerConfig config;
    config.pipeline = {.worker = number,
                       .workers = kWorkers,
                       .seed = kSeed,
                       .max_endpoints = kEndpointSlots,
                       .max_services = 64,
                       .flows = 8192,
                       .flows6 = 256};
    config.ports = {{.device = pods_.port(), .transmitter = number}, {.device = uplink_.port(), .transmitter = number}};
    worker_ = std::make_unique<runtime::Worker>(config, publisher, crossings, clock);
    EXPECT_TRUE(eal->launch(
        number,
        [](void* argument) {
          static_cast<runtime::Worker*>(argument)->run();
          return 0;
        },
        worker_.get()));
  }

  runtime::Worker& worker() { return *worker_; }
  uint64_t packets = 0;

  /// A packet of each of a few flows, there and back.
  void talk(std::mt19937& random) {
    std::vector<uint32_t> said;
    for (int i = 0; i < 24; ++i) {
      said.push_back(random() % kFlows);
    }
    std::sort(said.begin(), said.end());
    said.erase(std::unique(said.begin(), said.end()), said.end());
    std::map<std::pair<uint32_t, uint16_t>, uint32_t> by_client;
    for (const uint32_t flow : said) {
      Conversation& conversation = conversations_.try_emplace(flow, Conversation{client(flow), {}}).first->second;
      pods_.put(tcp(conversation.client, "10.96.0.1:80").flags(conversation.endpoint ? kAck : kSyn));
      by_client[{to_host(conversation.client.address.ipv4()), conversation.client.port}] = flow;
    }
    for (const Bytes& frame : arrived(uplink_, said.size())) {
      Conversation& conversation = conversations_.at(by_client.at({number_at(frame, 26), port_at(frame, 34)}));
      const lb::Ipv4Address endpoint = lb::address_from_host(number_at(frame, 30));
      if (conversation.endpoint) {
        ASSERT_EQ(endpoint, *conversation.endpoint) << "an established flow moved";
      }
      conversation.endpoint = endpoint;
      uplink_.put(tcp({endpoint, 8080}, conversation.client).flags(kAck));
    }
    const std::vector<Bytes> replies = arrived(pods_, said.size());
    for (const Bytes& frame : replies) {
      ASSERT_EQ(number_at(frame, 26), 0x0a600001U) << "a reply that is not the virtual address's";
    }
    packets += 2 * said.size();
  }
  void forget(uint32_t flow) {
    const auto found = conversations_.find(flow);
    if (found != conversations_.end() && found->second.endpoint) {
      pods_.put(tcp(found->second.client, "10.96.0.1:80").flags(kRst));
      arrived(uplink_, 1);
      ++generation_;
      conversations_.erase(found);
    }
  }

 private:
  /// By generation, so that a client that begins anew is another.
  Socket client(uint32_t flow) const {
    return {lb::address_from_host(0x0a010000 + number_ * 0x8000 + generation_ % 0x8000),
            static_cast<uint16_t>(1024 + flow)};
  }
  static uint32_t number_at(const Bytes& frame, size_t offset) {
    uint32_t value = 0;
    std::memcpy(&value, &frame.at(offset), sizeof value);
    return __builtin_bswap32(value);
  }
  static uint16_t port_at(const Bytes& frame, size_t offset) {
    return static_cast<uint16_t>(std::to_integer<unsigned>(frame.at(offset)) << 8 |
                                 std::to_integer<unsigned>(frame.at(offset + 1)));
  }
  /// Waits for so many.
  static std::vector<Bytes> arrived(Wire& wire, size_t count) {
    std::vector<Bytes> frames;
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while (frames.size() < count && Clock::now() < deadline) {
      for (Bytes& frame : wire.take()) {
        frames.push_back(std::move(frame));
      }
      std::this_thread::sleep_for(std::chrono::microseconds(20));  // the registry's thread shares the core
    }
    EXPECT_EQ(frames.size(), count) << "packets were lost";
    return frames;
  }

  static runtime::BufferPool make_pool(uint32_t number) {
    auto made = runtime::BufferPool::make("pool" + std::to_string(pools_++) + "of" + std::to_string(number), 2047);
    EXPECT_TRUE(made) << made.error();
    return std::move(*made);
  }
  static inline int pools_ = 0;

  uint32_t number_;
  uint32_t generation_ = 0;
  runtime::BufferPool buffers_ = make_pool(number_);
  Wire pods_{"pods" + std::to_string(pools_), buffers_};
  Wire uplink_{"uplink" + std::to_string(pools_), buffers_};
  std::map<uint32_t, Conversation> conversations_;
  std::unique_ptr<runtime::Worker> worker_;
};

/// The registry's thread, the publisher and the workers, wired as a node's.
class StormTest : public ::testing::Test {
 protected:
  StormTest() {
    for (uint32_t number = 0; number < kWorkers; ++number) {
      lanes.push_back(std::make_unique<Lane>(number, publisher, *crossings, clock));
    }
    auto started = registry::Syncer::start(
        {.folder = folder.path(), .seed = kSeed, .limits = {.services = 64, .endpoints = kEndpointSlots}, .zone = ""},
        {.sink =
             [this](const registry::Publication& publication) {
               publisher.publish(publication.snapshot);
               ++publications;
             },
         .in_use = {
             .services = [this](uint32_t slot) { return used(slot, &l4::SlotCounters::service); },
             .endpoints = [this](uint32_t slot) { return used(slot, &l4::SlotCounters::endpoint); },
             .service_freed = [](uint32_t) {},
             .endpoint_freed = [this](uint32_t slot) { highest_freed = std::max(highest_freed.load(), slot); }}});
    EXPECT_TRUE(started) << started.error();
    syncer = std::move(*started);
  }
  ~StormTest() override {
    syncer.reset();
    for (auto& lane : lanes) {
      lane->worker().stop();
    }
    eal->wait();
  }

  template <typename Counters>
  bool used(uint32_t slot, Counters l4::SlotCounters::*counters) {
    uint64_t flows = 0;
    for (auto& lane : lanes) {
      flows += (std::as_const(lane->worker()).slots().*counters)[slot].active_flows.get();
    }
    return flows > 0;
  }

  /// Runs `edit(i)` at the storm's rate beside the traffic. @returns how many were made
  template <typename Edit>
  int run(Edit edit) {
    std::atomic<bool> over = false;
    std::atomic<int> edits = 0;
    std::thread editor([&] {
      const auto begin = Clock::now();
      while (edits < kEdits && Clock::now() < begin + kPatience && !over) {
        std::this_thread::sleep_until(begin + edits.load() * std::chrono::microseconds(1'000'000 / kEditsASecond));
        edit(edits++);
      }
      over = true;
    });
    const auto start = Clock::now();
    std::mt19937 random(1);
    auto next_end = Clock::now();
    size_t heap = 0;
    while (!over && !HasFailure()) {
      for (auto& lane : lanes) {
        lane->talk(random);
      }
      if (Clock::now() > next_end) {  // some flows end, and begin anew
        next_end += milliseconds(10);
        for (auto& lane : lanes) {
          lane->forget(random() % kFlows);
        }
      }
      if (heap == 0 && edits > kEdits / 5) {
        heap = mallinfo2().uordblks;
      }
    }
    over = true;
    editor.join();
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const size_t grown = mallinfo2().uordblks - std::min(heap, mallinfo2().uordblks);
    EXPECT_LT(grown, 2U << 20) << "what is kept of " << edits << " edits";
    return edits;
  }

  void report(int edits, uint64_t snapshots) const {
    std::printf("%d edits, %.0f a second, in %lu snapshots; %lu packets\n", edits, edits / seconds, snapshots,
                lanes[0]->packets + lanes[1]->packets);
  }

  void TearDown() override {
    for (auto& lane : lanes) {
      EXPECT_GT(lane->packets, 500U) << "or the test shows little";
      EXPECT_TRUE(lane->worker().books().balanced());
    }
    uint32_t highest = 0;
    for (const lb::Service& service : publisher.current()->services()) {
      for (const lb::Endpoint& endpoint : service.endpoints) {
        highest = std::max(highest, endpoint.slot);
      }
    }
    // At most all addresses at once: what left comes back under its old slot, or frees it.
    EXPECT_LT(std::max(highest, highest_freed.load()), kServices * kAddresses);
    EXPECT_TRUE(syncer->status().errors.empty());
  }

  Folder folder;
  runtime::SnapshotPublisher publisher{kWorkers, make_snapshot({}, 0),
                                       std::make_shared<const l4::Forwarding>(two_ports(
                                           {l4::Landing::anywhere(kWorkers), l4::Landing::anywhere(kWorkers)}))};
  std::unique_ptr<runtime::Crossings> crossings = std::move(runtime::Crossings::make(kWorkers).value());
  time::TscClock clock{runtime::Eal::tsc_hertz()};
  std::vector<std::unique_ptr<Lane>> lanes;
  double seconds = 0;
  std::atomic<uint64_t> publications = 0;
  std::atomic<uint32_t> highest_freed = 0;
  std::unique_ptr<registry::Syncer> syncer;
};

TEST_F(StormTest, FilesRewritten) {
  const uint64_t before = publications;
  const int edits = run([this](int i) { folder.write(i % 3 == 0 ? 0 : i % kServices); });
  EXPECT_GT(edits, kEdits / 2) << "the test's own machine is too slow";
  EXPECT_GT(publications - before, 10U);
  report(edits, publications - before);
}

TEST_F(StormTest, EachEditASnapshotOfItsOwn) {
  const uint64_t before = publications;
  const int edits = run([this](int i) {
    // Of the service under traffic, whichever endpoint is there.
    const auto snapshot = publisher.current();
    const auto& endpoints = snapshot->services()[0].endpoints;
    const auto& endpoint = endpoints[static_cast<size_t>(i) % endpoints.size()];
    const auto wish =
        endpoint.state == lb::EndpointState::draining ? registry::Override::ready : registry::Override::drain;
    // Half of them stay, or new flows had nowhere to go.
    if (i % endpoints.size() % 2 == 0) {
      EXPECT_TRUE(syncer->set_endpoint(snapshot->services()[0].name, to_string(endpoint.address), wish));
    } else {
      folder.write(1 + i % (kServices - 1));
    }
  });
  EXPECT_GT(edits, kEdits / 2) << "the test's own machine is too slow";
  EXPECT_GT(publications - before, static_cast<uint64_t>(edits) / 3);
  report(edits, publications - before);
}

}  // namespace

void set_eal(runtime::Eal* started) {
  eal = started;
}

/// One for each worker, if there are so many.
std::vector<uint32_t> cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<uint32_t> found;
  for (uint32_t core = 0; core < CPU_SETSIZE && found.size() < kWorkers; ++core) {
    if (CPU_ISSET(core, &allowed)) {
      found.push_back(core);
    }
  }
  found.resize(kWorkers, found.front());
  return found;
}

}  // namespace weft::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  auto started = weft::runtime::Eal::start({.memory_mib = 64, .worker_cores = weft::test::cores()});
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().c_str());
    return 1;
  }
  weft::test::set_eal(started->get());
  return RUN_ALL_TESTS();
}
