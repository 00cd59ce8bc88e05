// SPDX-License-Identifier: Apache-2.0
/// @file What weft's own work costs a packet: TSC cycles between receive and transmit, 64-byte frames, NAT.
///
/// The worker is the real one. Frames are received from an in-memory port (net_ring) as mbufs of a real pool; what is
/// timed is Worker::process(), from the mbufs in hand to the mbufs in the transmit buffer, and not the port's own work.
/// Before each burst the frames are written afresh, in a random order of flows, so that no flow is met again before all
/// others.
#include <benchmark/benchmark.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "runtime/eal.h"
#include "runtime/port.h"
#include "runtime/worker.h"

namespace {

using namespace weft;

constexpr uint64_t kSeed = 7;
constexpr uint32_t kEndpoints = 100;
constexpr size_t kFrameLength = 60;  // and 4 of the Ethernet check sequence
const lb::Ipv4Address kVip = lb::address_from_host(0x0a600001);
const lb::Port kVipPort = lb::port_from_host(80);

std::shared_ptr<const lb::Snapshot> make_snapshot(lb::Protocol protocol) {
  lb::Service service{.name = "default/bench", .address = kVip, .port = kVipPort, .protocol = protocol};
  std::vector<lb::MaglevMember> members;
  for (uint32_t i = 0; i < kEndpoints; ++i) {
    const lb::Endpoint endpoint{.address = lb::address_from_host(0x0a020000 + i), .port = lb::port_from_host(8080)};
    members.push_back({.identity = endpoint.identity()});
  }
  service.table = std::make_shared<lb::MaglevTable>(members, lb::MaglevTable::kDefaultSize, kSeed);
  for (uint32_t i = 0; i < kEndpoints; ++i) {
    const std::string& identity = service.table->members()[i].identity;
    service.targets.push_back({.address = lb::parse_ipv4(identity.substr(0, identity.find(':'))).value(),
                               .port = lb::port_from_host(8080),
                               .slot = i});
    service.endpoints.push_back({.address = service.targets[i].address, .port = service.targets[i].port, .slot = i});
  }
  return std::make_shared<lb::Snapshot>(1, kSeed, std::vector<lb::Service>{std::move(service)});
}

/// A frame whose source says which flow it is of.
struct Template {
  std::array<std::byte, kFrameLength> bytes{};

  Template(lb::Protocol protocol, uint8_t tcp_flags) {
    auto* ethernet = packet::view<packet::EthernetHeader>(bytes.data());
    ethernet->type = packet::kEtherTypeIpv4;
    auto* ip = packet::view<packet::Ipv4Header>(bytes.data() + 14);
    *ip = {.version_and_length = 0x45,
           .total_length = packet::swap16(kFrameLength - 14),
           .time_to_live = 64,
           .protocol = protocol,
           .destination = kVip};
    if (protocol == lb::Protocol::tcp) {
      *packet::view<packet::TcpHeader>(bytes.data() + 34) = {
          .destination_port = kVipPort, .data_offset = 0x50, .flags = tcp_flags};
    } else {
      *packet::view<packet::UdpHeader>(bytes.data() + 34) = {
          .destination_port = kVipPort, .length = packet::swap16(kFrameLength - 34), .checksum = 1};
    }
  }

  void write(std::byte* frame, uint32_t flow) const {
    std::copy(bytes.begin(), bytes.end(), frame);
    auto* ip = packet::view<packet::Ipv4Header>(frame + 14);
    ip->source = lb::address_from_host(0x0b000000 + flow / 32768);
    packet::view<packet::UdpHeader>(frame + 34)->source_port =
        lb::port_from_host(static_cast<uint16_t>(1024 + flow % 32768));
    ip->checksum = packet::checksum_of({frame + 14, 20});
  }
};

/// A worker on an in-memory port whose transmit ring is its receive ring.
class Bed {
 public:
  Bed(lb::Protocol protocol, uint32_t flow_capacity)
      : publisher_(1, make_snapshot(protocol),
                   std::make_shared<const l4::Forwarding>(std::vector<l4::Port>(1), std::vector<l4::NextHop>(1),
                                                          std::vector<l4::Route>{})) {
    ring_ =
        rte_ring_create(("bed" + std::to_string(count_)).c_str(), 256, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    const int port = rte_eth_from_rings(("bed" + std::to_string(count_)).c_str(), &ring_, 1, &ring_, 1, SOCKET_ID_ANY);
    pool_ = rte_pktmbuf_pool_create(("bed" + std::to_string(count_++)).c_str(), 1023, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                    SOCKET_ID_ANY);
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
                       .max_endpoints = kEndpoints,
                       .max_services = 2,
                       .flows = flow_capacity,
                       .flows6 = 1024,
                       .new_flows = {.per_second = 1'000'000'000, .burst = 1'000'000}};
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

  /// @returns the cycles that the worker spent between receive and transmit
  uint64_t burst(const Template& frame, const uint32_t* flows, uint32_t count) {
    std::array<rte_mbuf*, l4::Burst::kMax> packets;
    rte_pktmbuf_alloc_bulk(pool_, packets.data(), count);
    for (uint32_t i = 0; i < count; ++i) {
      frame.write(reinterpret_cast<std::byte*>(rte_pktmbuf_append(packets[i], kFrameLength)), flows[i]);
    }
    rte_eth_tx_burst(port_, 0, packets.data(), static_cast<uint16_t>(count));
    const uint32_t received = rte_eth_rx_burst(port_, 0, packets.data(), static_cast<uint16_t>(count));
    now_ += std::chrono::microseconds(1);
    const uint64_t start = time::TscClock::cycles();
    worker_->process(packets.data(), received, 0, *snapshot_, now_);
    const uint64_t cycles = time::TscClock::cycles() - start;
    worker_->transmit();
    const uint32_t sent = rte_eth_rx_burst(port_, 0, packets.data(), l4::Burst::kMax);
    rte_pktmbuf_free_bulk(packets.data(), sent);
    if (sent != count) {
      std::fprintf(stderr, "%u of %u packets arrived: the figures would be worthless\n", sent, count);
      std::exit(1);
    }
    return cycles;
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
  time::Time now_ = std::chrono::seconds(1);
};

std::vector<uint32_t> shuffled(uint32_t flows) {
  std::vector<uint32_t> order(std::max(flows, l4::Burst::kMax));
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i % flows;
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  return order;
}

void report(benchmark::State& state, std::vector<double>& cycles_a_packet) {
  std::nth_element(cycles_a_packet.begin(),
                   cycles_a_packet.begin() + static_cast<std::ptrdiff_t>(cycles_a_packet.size() / 2),
                   cycles_a_packet.end());
  state.counters["cycles_per_packet"] = cycles_a_packet[cycles_a_packet.size() / 2];
  state.SetItemsProcessed(state.iterations() * l4::Burst::kMax);
}

/// Packets of flows that the table has.
void hit(benchmark::State& state, lb::Protocol protocol) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  Bed bed(protocol, flows);
  const Template first(protocol, packet::tcp_flag::syn);
  const Template later(protocol, packet::tcp_flag::ack);
  const std::vector<uint32_t> order = shuffled(flows);
  for (size_t at = 0; at + l4::Burst::kMax <= order.size(); at += l4::Burst::kMax) {
    bed.burst(first, &order[at], l4::Burst::kMax);
  }
  std::vector<double> cycles;
  size_t at = 0;
  for (auto _ : state) {
    cycles.push_back(static_cast<double>(bed.burst(later, &order[at], l4::Burst::kMax)) / l4::Burst::kMax);
    at = at + 2 * l4::Burst::kMax <= order.size() ? at + l4::Burst::kMax : 0;
  }
  report(state, cycles);
}

/// Packets that begin a flow, in a table that fills from empty to `flows`.
void first(benchmark::State& state, lb::Protocol protocol) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  const uint32_t burst = std::min(flows, l4::Burst::kMax);
  const Template frame(protocol, packet::tcp_flag::syn);
  const std::vector<uint32_t> order = shuffled(flows);
  std::vector<double> cycles;
  std::unique_ptr<Bed> bed;
  size_t at = flows;
  for (auto _ : state) {
    if (at + burst > flows) {
      state.PauseTiming();
      bed.reset();
      bed = std::make_unique<Bed>(protocol, flows);
      at = 0;
      state.ResumeTiming();
    }
    cycles.push_back(static_cast<double>(bed->burst(frame, &order[at], burst)) / burst);
    at += burst;
  }
  report(state, cycles);
}

}  // namespace

int main(int argc, char** argv) {
  auto eal = runtime::Eal::start({.memory_mib = 64, .worker_cores = {}});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().c_str());
    return 1;
  }
  for (const lb::Protocol protocol : {lb::Protocol::udp, lb::Protocol::tcp}) {
    const std::string name = "forward/nat4/" + std::string(to_string(protocol));
    auto* hits = benchmark::RegisterBenchmark((name + "/hit").c_str(), hit, protocol);
    auto* firsts = benchmark::RegisterBenchmark((name + "/first").c_str(), first, protocol);
    hits->ArgName("flows")->Arg(1)->Arg(1024)->Arg(131072)->Arg(1048576);
    firsts->ArgName("flows")->Arg(131072)->Arg(1048576);
    // An empty table for every few packets: its making is not timed, but takes its time.
    benchmark::RegisterBenchmark((name + "/first").c_str(), first, protocol)
        ->ArgName("flows")
        ->Arg(1)
        ->Arg(1024)
        ->Iterations(1000);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
