// SPDX-License-Identifier: Apache-2.0
/// @file What a flood of SYNs at ten times the insert rate takes from established flows, and what refusing one costs.
///
/// A real worker, packets in mbufs; its receive queue, the wire and the clock are simulated, so that no generator
/// competes for the core: a turn takes the next burst from the queue and lasts as many cycles as the worker spent on
/// it, plus what a device costs; what arrives meanwhile is queued behind, and lost if the queue is full. Both loads
/// arrive evenly spaced, interleaved. A turn that lasts far longer than turns do lost its core to another process, and
/// counts as an ordinary one.
#include <benchmark/benchmark.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "runtime/eal.h"
#include "runtime/worker.h"

namespace {

using namespace weft;

constexpr uint64_t kSeed = 7;
constexpr uint16_t kFrameLength = 60;    // and 4 of the Ethernet check sequence
constexpr uint32_t kQueue = 2048;        ///< descriptors
constexpr uint64_t kDeviceCycles = 100;  ///< of receive and transmit a packet: docs/benchmarks.md, wire, macswap
constexpr uint32_t kEstablished = 10'000;
constexpr uint32_t kInsertsASecond = 400'000;  ///< flows.new_per_second's default
constexpr uint32_t kFactor = 10;
constexpr uint8_t kIpInIp = 4;
const lb::Ipv4Address kVip = lb::address_from_host(0x0a600001);
const lb::Port kVipPort = lb::port_from_host(80);

std::shared_ptr<const lb::Snapshot> make_snapshot(lb::Mode mode) {
  lb::Service service{
      .name = "bench/flood", .address = kVip, .port = kVipPort, .protocol = lb::Protocol::tcp, .slot = 0};
  service.policy.mode = mode;
  std::vector<lb::MaglevMember> members;
  for (uint32_t i = 0; i < 100; ++i) {
    const lb::Ipv4Address address = lb::address_from_host(0x0a020001 + i);
    service.endpoints.push_back({.address = address, .port = kVipPort, .slot = i});
    members.push_back({.identity = service.endpoints.back().identity()});
    service.targets.push_back({.address = address, .port = kVipPort, .slot = i});
  }
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.identity < b.identity; });
  service.table = std::make_shared<lb::MaglevTable>(members, 65537, kSeed);
  std::vector<lb::Service> services;
  services.push_back(std::move(service));
  return std::make_shared<lb::Snapshot>(1, kSeed, std::move(services));
}

/// A client's packet. @param flow below 2^24
void write(std::byte* frame, uint32_t network, uint32_t flow, uint8_t flags) {
  std::fill(frame, frame + kFrameLength, std::byte{0});
  packet::view<packet::EthernetHeader>(frame)->type = packet::kEtherTypeIpv4;
  auto* ip = packet::view<packet::Ipv4Header>(frame + 14);
  *ip = {.version_and_length = 0x45,
         .total_length = packet::swap16(kFrameLength - 14),
         .time_to_live = 64,
         .protocol = lb::Protocol::tcp,
         .source = lb::address_from_host(network + flow / 32768),
         .destination = kVip};
  ip->checksum = packet::checksum_of({frame + 14, 20});
  *packet::view<packet::TcpHeader>(frame + 34) = {
      .source_port = lb::port_from_host(static_cast<uint16_t>(1024 + flow % 32768)),
      .destination_port = kVipPort,
      .data_offset = 0x50,
      .flags = flags};
}

/// What waits in the simulated queue.
struct Arrival {
  bool flood = false;
  uint32_t flow = 0;
};

/// A worker whose port swallows what it sends.
class Bed {
 public:
  explicit Bed(lb::Mode mode)
      : publisher_(1, make_snapshot(mode),
                   std::make_shared<const l4::Forwarding>(std::vector<l4::Port>(1), std::vector<l4::NextHop>(1),
                                                          std::vector<l4::Route>{})) {
    const std::string name = "flood" + std::to_string(count_++);
    ring_ = rte_ring_create(name.c_str(), 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    const int port = rte_eth_from_rings(name.c_str(), &ring_, 1, &ring_, 1, SOCKET_ID_ANY);
    pool_ = rte_pktmbuf_pool_create(name.c_str(), 2047, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (port < 0 || pool_ == nullptr) {
      std::fprintf(stderr, "no memory for the in-memory port\n");
      std::exit(1);
    }
    port_ = static_cast<uint16_t>(port);
    const rte_eth_conf plain{};
    rte_eth_dev_configure(port_, 1, 1, &plain);
    rte_eth_rx_queue_setup(port_, 0, 256, SOCKET_ID_ANY, nullptr, pool_);
    rte_eth_tx_queue_setup(port_, 0, 256, SOCKET_ID_ANY, nullptr);
    rte_eth_dev_start(port_);
    runtime::WorkerConfig config;
    config.pipeline = {.seed = kSeed,
                       .max_endpoints = 100,
                       .max_services = 1,
                       .flows = 262144,
                       .flows6 = 1024,
                       .new_flows = {.per_second = kInsertsASecond, .burst = kInsertsASecond / 50},
                       .tunnel_sources = {lb::parse_prefix("10.98.0.0/16").value()}};
    config.ports = {{.device = port_}};
    worker_ = std::make_unique<runtime::Worker>(config, publisher_, *crossings_, clock_);
  }
  ~Bed() {
    worker_.reset();
    rte_eth_dev_stop(port_);
    rte_eth_dev_close(port_);
    rte_mempool_free(pool_);
    rte_ring_free(ring_);
  }

  /// @returns the cycles from reception to transmission; and how many of the established flows' packets came out
  std::pair<uint64_t, uint32_t> turn(const std::vector<Arrival>& burst, uint8_t flags, time::Time now) {
    std::array<rte_mbuf*, l4::Burst::kMax> packets;
    const auto count = static_cast<uint32_t>(burst.size());
    if (rte_pktmbuf_alloc_bulk(pool_, packets.data(), count) != 0) {
      std::fprintf(stderr, "buffers leak\n");
      std::exit(1);
    }
    for (uint32_t i = 0; i < count; ++i) {
      write(reinterpret_cast<std::byte*>(rte_pktmbuf_append(packets[i], kFrameLength)),
            burst[i].flood ? 0x0c000000 : 0x0b000000, burst[i].flow, burst[i].flood ? packet::tcp_flag::syn : flags);
    }
    const uint64_t start = time::TscClock::cycles();
    if (now - kept_up_ >= std::chrono::milliseconds(1)) {
      worker_->poll(now);  // receives nothing; the rest is what each millisecond has, the flow table's sweep above all
      kept_up_ = now;
    }
    worker_->process(packets.data(), count, 0, *snapshot_, now);
    worker_->transmit();
    const uint64_t cycles = time::TscClock::cycles() - start;
    uint32_t established = 0;
    for (uint32_t sent = 0; (sent = rte_eth_rx_burst(port_, 0, packets.data(), l4::Burst::kMax)) > 0;) {
      for (uint32_t i = 0; i < sent; ++i) {
        const auto* ip = rte_pktmbuf_mtod_offset(packets[i], packet::Ipv4Header*, 14);
        if (ip->protocol == lb::Protocol{kIpInIp}) {
          ip = rte_pktmbuf_mtod_offset(packets[i], packet::Ipv4Header*, 34);
        }
        established += to_host(ip->source) >> 24 == 0x0b ? 1 : 0;
      }
      rte_pktmbuf_free_bulk(packets.data(), sent);
    }
    return {cycles, established};
  }
  uint64_t count(l4::Verdict verdict) {
    worker_->poll(kept_up_ += std::chrono::seconds(1));  // publishes the books
    return worker_->books().verdicts[static_cast<size_t>(verdict)];
  }

 private:
  static inline int count_ = 0;
  runtime::SnapshotPublisher publisher_;
  std::shared_ptr<const lb::Snapshot> snapshot_ = publisher_.current();
  time::TscClock clock_{runtime::Eal::tsc_hertz()};
  std::unique_ptr<runtime::Crossings> crossings_ = std::move(runtime::Crossings::make(1).value());
  rte_ring* ring_ = nullptr;
  rte_mempool* pool_ = nullptr;
  uint16_t port_ = 0;
  std::unique_ptr<runtime::Worker> worker_;
  time::Time kept_up_{};
};

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// All flows of kEstablished begun, in the second before 100.
void establish(Bed& bed) {
  std::vector<Arrival> burst;
  for (uint32_t flow = 0; flow < kEstablished; ++flow) {
    burst.push_back({.flow = flow});
    if (burst.size() == l4::Burst::kMax || flow + 1 == kEstablished) {
      bed.turn(burst, packet::tcp_flag::syn, std::chrono::milliseconds(99'000 + flow / 100));
      burst.clear();
    }
  }
}

/// Cycles of one kind of packet: hits, or SYNs that are refused.
void cycles(benchmark::State& state, lb::Mode mode, bool refused) {
  Bed bed(mode);
  establish(bed);
  const time::Time now = std::chrono::seconds(100);
  uint32_t next = 0;
  const auto fill = [&](std::vector<Arrival>& burst) {
    burst.clear();
    for (uint32_t i = 0; i < l4::Burst::kMax; ++i) {
      burst.push_back({.flood = refused, .flow = next});
      next = (next + 7919) % (refused ? 1U << 24 : kEstablished);
    }
  };
  std::vector<Arrival> burst;
  for (uint32_t spent = 0; refused && spent < kInsertsASecond / 50; spent += l4::Burst::kMax) {
    fill(burst);
    bed.turn(burst, packet::tcp_flag::ack, now);  // the rate's burst is used up; time stands still
  }
  std::vector<double> each;
  for (auto _ : state) {
    fill(burst);
    each.push_back(static_cast<double>(bed.turn(burst, packet::tcp_flag::ack, now).first) / l4::Burst::kMax);
  }
  state.counters["cycles_per_packet"] = median(each);
}

struct Outcome {
  double offered = 0;
  double delivered = 0;
  double busy = 0;  ///< of the time
};

/// A second of both loads.
Outcome offer(Bed& bed, double established_a_second, double flood_a_second, time::Time start) {
  const auto hertz = static_cast<double>(runtime::Eal::tsc_hertz());
  Outcome outcome;
  std::vector<Arrival> queue;
  size_t head = 0;
  std::vector<Arrival> burst;
  std::vector<double> costs;
  double now = 0;  // cycles
  double established_due = 0;
  double flood_due = 0;
  uint32_t flow = 0;
  uint32_t syn = 0;
  double usual = 0;
  double busy = 0;
  while (now < hertz) {
    for (;;) {  // what has arrived by now, in its order
      const bool flood = flood_a_second > 0 && flood_due < established_due;
      if ((flood ? flood_due : established_due) > now) {
        break;
      }
      (flood ? flood_due : established_due) += hertz / (flood ? flood_a_second : established_a_second);
      outcome.offered += flood ? 0 : 1;
      uint32_t& number = flood ? syn : flow;
      number = (number + 7919) % (flood ? 1U << 24 : kEstablished);
      if (queue.size() - head < kQueue) {
        queue.push_back({.flood = flood, .flow = number});
      }
    }
    if (head == queue.size()) {
      queue.clear();
      head = 0;
      now = flood_a_second > 0 ? std::min(established_due, flood_due) : established_due;
      continue;
    }
    const size_t count = std::min<size_t>(l4::Burst::kMax, queue.size() - head);
    burst.assign(queue.begin() + static_cast<std::ptrdiff_t>(head),
                 queue.begin() + static_cast<std::ptrdiff_t>(head + count));
    head += count;
    if (head > 65536) {
      queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(head));
      head = 0;
    }
    const auto at = start + time::Time(static_cast<int64_t>(now / hertz * 1e9));
    const auto [cycles, delivered] = bed.turn(burst, packet::tcp_flag::ack, at);
    outcome.delivered += delivered;
    auto cost = static_cast<double>(cycles) / static_cast<double>(count);
    if (costs.size() < 1000) {
      costs.push_back(cost);
      usual = costs.size() == 1000 ? median(costs) : 0;
    } else if (cost > 20 * usual) {
      cost = usual;
    }
    const double turn = (cost + kDeviceCycles) * static_cast<double>(count);
    now += turn;
    busy += turn;
  }
  outcome.busy = busy / now;
  return outcome;
}

/// Established flows alone, then beside the flood.
void goodput(benchmark::State& state, lb::Mode mode, double established_a_second) {
  std::vector<double> ratios;
  Outcome flooded;
  Outcome alone;
  double overload = 0;
  for (auto _ : state) {
    Bed bed(mode);
    establish(bed);
    alone = offer(bed, established_a_second, 0, std::chrono::seconds(100));
    flooded = offer(bed, established_a_second, double{kInsertsASecond} * kFactor, std::chrono::seconds(102));
    ratios.push_back(flooded.delivered / flooded.offered / (alone.delivered / alone.offered));
    overload =
        static_cast<double>(bed.count(mode == lb::Mode::dsr ? l4::Verdict::tunneled_by_hash : l4::Verdict::overload));
  }
  state.counters["goodput_kept"] = median(ratios);
  state.counters["busy_alone"] = alone.busy;
  state.counters["busy_flooded"] = flooded.busy;
  state.counters["refused_or_by_hash"] = overload;
}

}  // namespace

int main(int argc, char** argv) {
  auto eal = runtime::Eal::start({.memory_mib = 64, .worker_cores = {}});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().c_str());
    return 1;
  }
  for (const auto& [name, mode] : {std::pair("nat", lb::Mode::nat), std::pair("dsr", lb::Mode::dsr)}) {
    const std::string prefix = std::string("flood/") + name;
    benchmark::RegisterBenchmark((prefix + "/hit").c_str(), cycles, mode, false)->Iterations(20000);
    benchmark::RegisterBenchmark((prefix + "/over_rate").c_str(), cycles, mode, true)->Iterations(20000);
    for (const int established : {500'000, 1'000'000, 2'000'000}) {
      benchmark::RegisterBenchmark((prefix + "/goodput/established:" + std::to_string(established)).c_str(), goodput,
                                   mode, established)
          ->Iterations(3)
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
