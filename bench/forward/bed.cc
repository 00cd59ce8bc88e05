// SPDX-License-Identifier: Apache-2.0
#include "bed.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace weft::bench {
namespace {

constexpr uint16_t kRing = 256;

/// Flow n is worker n's, modulo their number: a client's ports count up with its flows.
uint32_t owner_of(const lb::Address& /*client*/, lb::Port port, lb::Protocol /*protocol*/) {
  return to_host(port);
}

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  std::exit(1);
}

runtime::WorkerConfig config_of(const Node& node, uint32_t worker, uint32_t flow_capacity, uint16_t port) {
  runtime::WorkerConfig config;
  config.pipeline = {.worker = worker,
                     .workers = node.workers,
                     .seed = kSeed,
                     .max_endpoints = kEndpoints,
                     .max_services = 2,
                     .flows = flow_capacity,
                     .flows6 = flow_capacity,
                     .new_flows = {.per_second = 1'000'000'000, .burst = 1'000'000}};
  for (uint8_t i = 0; i < 16; ++i) {
    config.pipeline.own_addresses.push_back(node.family == lb::Family::ipv4
                                                ? lb::Address(lb::address_from_host(0x0a630000U + i))
                                                : lb::Address(lb::Ipv6Address{{0xfd, 0, 0, 99, i}}));
  }
  config.pipeline.tunnel_sources = {{lb::address_from_host(0x0a620000), 16}, {lb::Ipv6Address{{0xfd, 0, 0, 98}}, 64}};
  config.ports = {{.device = port, .transmitter = worker}};
  return config;
}

std::shared_ptr<const l4::Forwarding> one_port(uint32_t workers) {
  return std::make_shared<const l4::Forwarding>(
      std::vector<l4::Port>{{.landing = l4::Landing::by_client(workers, owner_of)}}, std::vector<l4::NextHop>(1),
      std::vector<l4::Route>{});
}

}  // namespace

Node::Node(const Workload& workload, uint32_t its_workers)
    : family(workload.family),
      workers(its_workers),
      publisher(its_workers, snapshot_of(workload), one_port(its_workers)) {
  auto made = runtime::Crossings::make(workers);
  if (!made) {
    give_up(made.error().c_str());
  }
  crossings = std::move(*made);
}

Bed::Bed(Node& node, uint32_t worker, uint32_t flow_capacity) : node_(node) {
  static int count = 0;
  const std::string name = "bed" + std::to_string(count++);
  ring_ = rte_ring_create(name.c_str(), kRing, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  const int port = ring_ == nullptr ? -1 : rte_eth_from_rings(name.c_str(), &ring_, 1, &ring_, 1, SOCKET_ID_ANY);
  pool_ = rte_pktmbuf_pool_create(name.c_str(), 1023, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (port < 0 || pool_ == nullptr) {
    give_up("no memory for the in-memory port");
  }
  port_ = static_cast<uint16_t>(port);
  const rte_eth_conf plain{};
  rte_eth_dev_configure(port_, 1, 1, &plain);
  rte_eth_rx_queue_setup(port_, 0, kRing, SOCKET_ID_ANY, nullptr, pool_);
  rte_eth_tx_queue_setup(port_, 0, kRing, SOCKET_ID_ANY, nullptr);
  rte_eth_dev_start(port_);
  worker_ = std::make_unique<runtime::Worker>(config_of(node, worker, flow_capacity, port_), node.publisher,
                                              *node.crossings, node.clock);
}

Bed::~Bed() {
  worker_.reset();
  rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
  rte_mempool_free(pool_);
  rte_ring_free(ring_);
}

uint64_t Bed::requests(const Frame& frame, std::span<const uint32_t> flows) {
  std::array<rte_mbuf*, kBurst> packets;
  rte_pktmbuf_alloc_bulk(pool_, packets.data(), static_cast<unsigned>(flows.size()));
  for (size_t i = 0; i < flows.size(); ++i) {
    const auto size = static_cast<uint16_t>(frame.size());
    frame.write_request(reinterpret_cast<std::byte*>(rte_pktmbuf_append(packets[i], size)), flows[i]);
  }
  const uint64_t cycles = send({packets.data(), flows.size()});
  sent_.resize(flows.size());
  for (size_t i = 0; i < flows.size(); ++i) {
    std::copy_n(rte_pktmbuf_mtod(packets[i], const std::byte*), sent_[i].size(), sent_[i].begin());
  }
  rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(flows.size()));
  return cycles;
}

uint64_t Bed::replies(const Frame& frame) {
  std::array<rte_mbuf*, kBurst> packets;
  rte_pktmbuf_alloc_bulk(pool_, packets.data(), static_cast<unsigned>(sent_.size()));
  for (size_t i = 0; i < sent_.size(); ++i) {
    const auto size = static_cast<uint16_t>(frame.size());
    frame.write_reply(reinterpret_cast<std::byte*>(rte_pktmbuf_append(packets[i], size)), sent_[i].data());
  }
  const uint64_t cycles = send({packets.data(), sent_.size()});
  rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(sent_.size()));
  return cycles;
}

uint64_t Bed::send(std::span<rte_mbuf*> packets) {
  const auto count = static_cast<uint16_t>(packets.size());
  rte_eth_tx_burst(port_, 0, packets.data(), count);
  const uint32_t received = rte_eth_rx_burst(port_, 0, packets.data(), count);
  now_ += std::chrono::microseconds(1);
  const uint64_t start = time::TscClock::cycles();
  worker_->process(packets.data(), received, 0, *node_.snapshot, now_);
  const uint64_t cycles = time::TscClock::cycles() - start;
  worker_->transmit();
  if (rte_eth_rx_burst(port_, 0, packets.data(), kBurst) != count) {
    give_up("not all packets arrived: the figures would be worthless");
  }
  return cycles;
}

uint64_t Bed::rest() {
  const uint64_t start = time::TscClock::cycles();
  worker_->poll(now_);
  return time::TscClock::cycles() - start;
}

}  // namespace weft::bench
