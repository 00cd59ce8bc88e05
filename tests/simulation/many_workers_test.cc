// SPDX-License-Identifier: Apache-2.0
/// @file Pipelines side by side, as the workers of one node: every reply, fragment and ICMP error comes to the worker
/// that has its flow, whatever the ports can do.
///
/// A node of n pipelines with the rings between them, two ports that spread packets as real ones do, clients on one
/// side and endpoints on the other. What an end receives must be what the other end sent, between the addresses that it
/// knows. Nothing may be lost.
#include <gtest/gtest.h>

#include <random>

#include "pipeline_bed.h"

namespace weft::test {
namespace {

using l4::Landing;
using l4::Verdict;
using lb::Mode;
using lb::Protocol;

constexpr std::array<uint8_t, 40> kRssKey = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                             0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                             0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                             0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

uint32_t client_hash(const lb::Address& address, lb::Port port, Protocol protocol) {
  return static_cast<uint32_t>(hash_of(address, static_cast<uint64_t>(port) << 8 | static_cast<uint64_t>(protocol)));
}

/// How a port brings packets to workers.
enum class Spread { one_queue, by_client, by_rss, anyhow };

struct Case {
  uint32_t workers;
  Spread clients_side;
  Spread endpoints_side;
  Mode mode;
  lb::Family family;
};

std::string name_of(const testing::TestParamInfo<Case>& info) {
  constexpr std::array<const char*, 4> kSpreads = {"OneQueue", "ByClient", "ByRss", "Anyhow"};
  return std::to_string(info.param.workers) + kSpreads[static_cast<size_t>(info.param.clients_side)] +
         kSpreads[static_cast<size_t>(info.param.endpoints_side)] + (info.param.mode == Mode::nat ? "Nat" : "Fullnat") +
         (info.param.family == lb::Family::ipv4 ? "4" : "6");
}

class ManyWorkers : public testing::TestWithParam<Case> {
 protected:
  using Sent = PipelineBed::Sent;

  ManyWorkers() {
    const Case& each = GetParam();
    const std::vector<Landing> landings = {landing_of(each.clients_side), landing_of(each.endpoints_side)};
    for (uint32_t worker = 0; worker < each.workers; ++worker) {
      beds_.push_back(std::make_unique<PipelineBed>(
          PipelineBed::Limits{
              .flows = 4096,
              .worker = worker,
              .workers = each.workers,
              .own_addresses = {lb::parse_address("10.9.0.1").value(), lb::parse_address("fd00:9::1").value()}},
          two_ports(landings)));
    }
    const bool v4 = each.family == lb::Family::ipv4;
    vip_ = v4 ? "10.96.0.1:80" : "[fd00:96::1]:80";
    for (uint32_t i = 1; i <= 5; ++i) {
      endpoints_.emplace_back(v4 ? lb::Address(lb::address_from_host(0x0a020000 + i))
                                 : lb::parse_address("fd00:2::" + std::to_string(i)).value(),
                              8080);
    }
    std::vector<lb::Service> services;
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      std::vector<Backend> backends;
      for (const Socket& endpoint : endpoints_) {
        backends.push_back({endpoint, static_cast<uint32_t>(backends.size() + (protocol == Protocol::udp ? 5 : 0))});
      }
      services.push_back(make_service(vip_, protocol, protocol == Protocol::udp ? 1 : 0, backends));
      services.back().policy.mode = each.mode;
    }
    snapshot_ = make_snapshot(services);
  }

  Landing landing_of(Spread spread) const {
    const uint32_t workers = GetParam().workers;
    switch (spread) {
      case Spread::one_queue:
        return Landing::at(workers - 1, workers, client_hash);
      case Spread::by_client:
        return Landing::by_client(workers, client_hash);
      case Spread::by_rss:
        return Landing::by_rss(std::make_shared<l4::Toeplitz>(kRssKey), table());
      case Spread::anyhow:
        break;
    }
    return Landing::anywhere(workers);
  }
  std::vector<uint16_t> table() const {
    std::vector<uint16_t> rows(128);
    for (size_t row = 0; row < rows.size(); ++row) {
      rows[row] = static_cast<uint16_t>(row % GetParam().workers);
    }
    return rows;
  }

  /// Where the hardware, or eBPF, puts a packet. Without its ports (a fragment, ICMP) it goes by addresses.
  uint32_t arrival(uint8_t port, const lb::Tuple& tuple, bool has_ports) {
    const Case& each = GetParam();
    const Spread spread = port == kPods ? each.clients_side : each.endpoints_side;
    const lb::Address client = port == kPods ? tuple.source : tuple.destination;
    const lb::Port client_port = port == kPods ? tuple.source_port : tuple.destination_port;
    switch (spread) {
      case Spread::one_queue:
        return each.workers - 1;
      case Spread::by_client:
        return has_ports ? client_hash(client, client_port, tuple.protocol) % each.workers
                         : client_hash(client, {}, {}) % each.workers;
      case Spread::by_rss: {
        const l4::Toeplitz toeplitz(kRssKey);
        lb::Tuple seen = tuple;
        if (!has_ports) {
          seen.source_port = seen.destination_port = {};
        }
        return table()[(seen.source.is_ipv4() ? toeplitz.hash(lb::key_of<lb::FlowKey4>(seen))
                                              : toeplitz.hash(lb::key_of<lb::FlowKey6>(seen))) %
                       128];
      }
      case Spread::anyhow:
        // The same for all packets of a tuple, and nobody knows how.
        return static_cast<uint32_t>(hash_of(tuple, 4711)) % each.workers;
    }
    return 0;
  }

  void deliver_notes() {
    for (uint32_t from = 0; from < beds_.size(); ++from) {
      for (uint32_t to = 0; to < beds_.size(); ++to) {
        for (const l4::Note& note : beds_[from]->pipeline().outbox().notes(to)) {
          beds_[to]->pipeline().note(note, now_);
        }
        beds_[from]->pipeline().outbox().clear(to);
      }
    }
  }

  /// Through the node, over as many workers as it takes.
  Sent through(const Bytes& frame, uint8_t port, uint32_t worker) {
    now_ += std::chrono::microseconds(10);
    Sent sent = beds_[worker]->process({&frame, 1}, port, *snapshot_, now_, 128).front();
    deliver_notes();
    for (int hops = 0; sent.verdict == Verdict::handed_over; ++hops) {
      EXPECT_LT(hops, 3) << "no packet wanders";
      if (hops == 3 || sent.owner >= beds_.size()) {
        return sent;
      }
      ++handed_over_;
      sent = beds_[sent.owner]->take_over(sent, port, *snapshot_, now_);
      deliver_notes();
    }
    return sent;
  }

  static lb::Tuple tuple_of(const Bytes& frame) {
    packet::Parsed parsed;
    packet::parse(frame, parsed);
    return parsed.family == lb::Family::ipv4 ? lb::Tuple(packet::key_of<lb::FlowKey4>(parsed))
                                             : lb::Tuple(packet::key_of<lb::FlowKey6>(parsed));
  }

  Socket client(uint32_t number) const {
    const auto port = static_cast<uint16_t>(1024 + number * 7);
    return GetParam().family == lb::Family::ipv4
               ? Socket(lb::address_from_host(0x0a010000 + number % 50 + 1), port)
               : Socket(lb::parse_address("fd00:1::" + std::to_string(number % 50 + 1)).value(), port);
  }
  static PacketBuilder packet(Protocol protocol, const Socket& from, const Socket& to) {
    return {static_cast<uint8_t>(protocol), from, to};
  }
  static Socket socket(const lb::Address& address, lb::Port port) { return {address, to_host(port)}; }

  void TearDown() override {
    for (const auto& bed : beds_) {
      EXPECT_EQ(bed->imbalance(), "");
    }
  }

  std::vector<std::unique_ptr<PipelineBed>> beds_;
  Socket vip_ = "10.96.0.1:80";
  std::vector<Socket> endpoints_;
  std::shared_ptr<const lb::Snapshot> snapshot_;
  time::Time now_ = std::chrono::seconds(1000);
  uint64_t handed_over_ = 0;
};

TEST_P(ManyWorkers, BringRepliesHome) {
  std::vector<uint64_t> flows(beds_.size());
  for (uint32_t number = 0; number < 400; ++number) {
    const Protocol protocol = number % 2 == 0 ? Protocol::tcp : Protocol::udp;
    const PacketBuilder request = packet(protocol, client(number), vip_).flags(kSyn).payload("to the endpoint");
    const lb::Tuple asked = tuple_of(request.bytes());
    const Sent out = through(request.bytes(), kPods, arrival(kPods, asked, true));
    ASSERT_EQ(out.verdict, Verdict::request) << number;
    ASSERT_EQ(out.egress, kUplink);
    const lb::Tuple met = tuple_of(out.bytes);
    ASSERT_EQ(met.source == asked.source, GetParam().mode == Mode::nat);

    const PacketBuilder reply =
        packet(protocol, socket(met.destination, met.destination_port), socket(met.source, met.source_port))
            .flags(kSyn | kAck)
            .payload("to the client");
    const Sent back = through(reply.bytes(), kUplink, arrival(kUplink, tuple_of(reply.bytes()), true));
    ASSERT_EQ(back.verdict, Verdict::reply) << number;
    ASSERT_EQ(back.egress, kPods);
    const PacketBuilder expected =
        packet(protocol, vip_, client(number)).flags(kSyn | kAck).payload("to the client").ttl(63);
    EXPECT_EQ(hex(back.bytes), hex(PacketBuilder(expected).addresses(kPodsAddresses).bytes()));
  }
  uint64_t steered_or_own = 0;
  for (const auto& bed : beds_) {
    steered_or_own += bed->pipeline().active_flows();
  }
  EXPECT_GE(steered_or_own, 400U);
  if (GetParam().workers == 1) {
    EXPECT_EQ(handed_over_, 0U);
  }
  // With ports of its own choice, and receivers that say where packets land, nothing needs to cross.
  const bool homes = GetParam().clients_side != Spread::one_queue && GetParam().endpoints_side != Spread::one_queue &&
                     GetParam().endpoints_side != Spread::anyhow;
  if (homes && GetParam().mode == Mode::fullnat) {
    EXPECT_EQ(handed_over_, 0U);
  }
}

TEST_P(ManyWorkers, ForgetTogether) {
  for (uint32_t number = 0; number < 200; ++number) {
    const PacketBuilder request = packet(Protocol::udp, client(number), vip_);
    ASSERT_EQ(through(request.bytes(), kPods, arrival(kPods, tuple_of(request.bytes()), true)).verdict,
              Verdict::request);
  }
  now_ += std::chrono::hours(3);
  for (int round = 0; round < 2; ++round) {
    for (const auto& bed : beds_) {
      bed->sweep(8192, now_);
      deliver_notes();
    }
  }
  for (const auto& bed : beds_) {
    EXPECT_EQ(bed->pipeline().active_flows(), 0U) << "neither flows nor notes of them are left";
    for (size_t i = 0; i < bed->pipeline().own_ports().addresses(); ++i) {
      EXPECT_EQ(bed->pipeline().own_ports().used(i), 0U);
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const uint32_t workers : {1U, 2U, 3U, 4U, 8U}) {
    for (const auto& [clients, endpoints] :
         {std::pair(Spread::by_client, Spread::by_client), std::pair(Spread::by_rss, Spread::by_rss),
          std::pair(Spread::one_queue, Spread::one_queue), std::pair(Spread::by_client, Spread::by_rss),
          std::pair(Spread::by_rss, Spread::by_client), std::pair(Spread::one_queue, Spread::by_rss),
          std::pair(Spread::anyhow, Spread::anyhow)}) {
      for (const Mode mode : {Mode::nat, Mode::fullnat}) {
        for (const lb::Family family : {lb::Family::ipv4, lb::Family::ipv6}) {
          all.push_back({workers, clients, endpoints, mode, family});
        }
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Nodes, ManyWorkers, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace weft::test
