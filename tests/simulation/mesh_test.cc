// SPDX-License-Identifier: Apache-2.0
/// @file Clients and endpoints that talk through a pipeline, with loss, duplication and reordering, while endpoints
/// come and go. Seeded, on a virtual clock.
///
/// An oracle beside it knows of each conversation which endpoint it was given, and checks every packet that leaves,
/// byte for byte: an established flow never moves (of UDP: unless its endpoint is gone), a reply always comes from the
/// virtual address, a new flow goes only where the snapshot in force allows, and after every burst all that was
/// received has ended somewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <random>

#include "pipeline_bed.h"

namespace weft::test {
namespace {

using l4::Verdict;
using lb::Protocol;

constexpr uint32_t kEndpoints = 12;
constexpr uint32_t kConversations = 150;

Socket endpoint_at(uint32_t slot) {
  return {lb::address_from_host(0x0a020001 + slot), 8080};
}

/// A client's, as both its ends and the oracle see it.
struct Conversation {
  Protocol protocol;
  Socket client;
  Socket vip;
  std::optional<uint32_t> endpoint;  ///< by slot; where its last request went
  bool answered = false;             ///< an endpoint's reply reached the client
  bool established = false;          ///< and the client went on: from here on it may not move
  bool ended = false;                ///< a reset or an end was sent: a late SYN may begin anew
};

struct Packet {
  uint32_t conversation;
  std::optional<uint32_t> from_endpoint;  ///< a reply; else a request
  uint8_t flags;
  size_t payload;
  uint32_t sequence;
};

class Mesh {
 public:
  Mesh(uint32_t seed, uint32_t flow_capacity) : random_(seed), bed_({.flows = flow_capacity}) {
    states_.assign(kEndpoints, lb::EndpointState::ready);
    publish();
  }

  void run(int bursts) {
    for (int i = 0; i < bursts && !::testing::Test::HasFailure(); ++i) {
      if (random_() % 10 == 0) {
        churn();
      }
      begin_some();
      deliver(random_() % 2 == 0 ? kPods : kUplink);
      now_ += std::chrono::milliseconds(random_() % 20);
      bed_.sweep(4, now_);
      ASSERT_EQ(bed_.imbalance(), "");
    }
    now_ += std::chrono::hours(3);
    bed_.sweep(bed_.flows().high_water(), now_);
    EXPECT_EQ(bed_.flows().size(), 0U);
    EXPECT_EQ(bed_.imbalance(), "");
  }

  uint64_t count(Verdict verdict) const { return bed_.count(verdict); }
  uint32_t kept_from_moving = 0;  ///< packets of flows whose endpoint got no new ones any more

 private:
  void publish() {
    std::vector<Backend> backends;
    for (uint32_t slot = 0; slot < kEndpoints; ++slot) {
      if (states_[slot]) {
        backends.push_back({endpoint_at(slot), slot, *states_[slot]});
      }
    }
    snapshot_ = make_snapshot({make_service("10.96.0.1:80", Protocol::tcp, 0, backends),
                               make_service("10.96.0.1:80", Protocol::udp, 1, backends)},
                              ++epoch_);
  }
  void churn() {
    constexpr std::array<std::optional<lb::EndpointState>, 6> kStates = {
        lb::EndpointState::ready,    lb::EndpointState::ready,     lb::EndpointState::ready,
        lb::EndpointState::draining, lb::EndpointState::not_ready, std::nullopt};
    for (uint32_t i = 0; i < 3; ++i) {
      states_[random_() % kEndpoints] = kStates[random_() % kStates.size()];
    }
    if (random_() % 10 == 0) {
      states_.assign(kEndpoints, std::nullopt);
    }
    publish();
  }

  void begin_some() {
    while (conversations_.size() < kConversations && random_() % 3 != 0) {
      const auto number = static_cast<uint32_t>(conversations_.size());
      const Protocol protocol = random_() % 3 == 0 ? Protocol::udp : Protocol::tcp;
      conversations_.push_back(
          {.protocol = protocol,
           .client = {lb::address_from_host(0x0a010000 + number % 7), static_cast<uint16_t>(1000 + number)},
           .vip = "10.96.0.1:80",
           .endpoint = std::nullopt});
      say(number, protocol == Protocol::tcp ? kSyn : 0);
    }
    if (!conversations_.empty() && random_() % 2 == 0) {  // a retransmission, or a datagram more
      const auto number = static_cast<uint32_t>(random_() % conversations_.size());
      const Conversation& conversation = conversations_[number];
      say(number, conversation.protocol == Protocol::udp || conversation.established ? kAck : kSyn);
    }
  }

  void say(uint32_t number, uint8_t flags, std::optional<uint32_t> from_endpoint = std::nullopt) {
    const Packet packet{.conversation = number,
                        .from_endpoint = from_endpoint,
                        .flags = flags,
                        .payload = random_() % 40,
                        .sequence = static_cast<uint32_t>(random_())};
    for (uint32_t copies = random_() % 10 == 0 ? 2 : random_() % 10 == 0 ? 0 : 1; copies > 0; --copies) {
      std::deque<Packet>& queue = in_flight_[from_endpoint ? kUplink : kPods];
      const size_t back = std::min<size_t>(queue.size(), random_() % 4 == 0 ? random_() % 16 : 0);
      queue.insert(queue.end() - static_cast<std::ptrdiff_t>(back), packet);
    }
  }

  PacketBuilder built(const Packet& packet, const Socket& source, const Socket& destination) const {
    const Conversation& conversation = conversations_[packet.conversation];
    return PacketBuilder(static_cast<uint8_t>(conversation.protocol), source, destination)
        .flags(packet.flags)
        .sequence(packet.sequence)
        .payload_of(packet.payload);
  }

  /// A burst from one port; both ends react to what reaches them.
  void deliver(uint8_t port) {
    std::vector<Packet> packets;
    std::vector<Bytes> frames;
    std::deque<Packet>& queue = in_flight_[port];
    while (!queue.empty() && packets.size() < l4::Burst::kMax) {
      packets.push_back(queue.front());
      queue.pop_front();
      const Packet& packet = packets.back();
      const Conversation& conversation = conversations_[packet.conversation];
      frames.push_back(packet.from_endpoint
                           ? built(packet, endpoint_at(*packet.from_endpoint), conversation.client).bytes()
                           : built(packet, conversation.client, conversation.vip).bytes());
    }
    const auto sent = bed_.process(frames, port, *snapshot_, now_);
    for (size_t i = 0; i < packets.size(); ++i) {
      packets[i].from_endpoint ? check_reply(packets[i], sent[i]) : check_request(packets[i], sent[i]);
    }
  }

  /// UDP leaves an endpoint that left the registry; TCP never does.
  bool must_stay(const Conversation& conversation) const {
    return conversation.established && !conversation.ended &&
           (conversation.protocol == Protocol::tcp || (conversation.endpoint && states_[*conversation.endpoint]));
  }

  void check_request(const Packet& packet, const PipelineBed::Sent& sent) {
    Conversation& conversation = conversations_[packet.conversation];
    if (sent.verdict != Verdict::request) {
      // A full table or a service without endpoints refuses the new; what is established goes on.
      EXPECT_FALSE(must_stay(conversation)) << info(sent.verdict).name;
      conversation.endpoint.reset();  // if it had one: forgotten with the endpoint that left
      EXPECT_TRUE(sent.verdict == Verdict::table_full || sent.verdict == Verdict::refused_no_endpoint ||
                  sent.verdict == Verdict::no_flow || sent.verdict == Verdict::unanswerable)
          << info(sent.verdict).name;
      return;
    }
    lb::Ipv4Address destination{};
    std::memcpy(&destination, &sent.bytes.at(30), sizeof destination);
    const uint32_t slot = to_host(destination) - to_host(endpoint_at(0).address.ipv4());
    ASSERT_LT(slot, kEndpoints) << "went to no endpoint:\n" << hex(sent.bytes);
    ASSERT_EQ(hex(sent.bytes), hex(to_endpoint(packet, slot)));
    if (began_with(packet)) {
      EXPECT_FALSE(must_stay(conversation)) << "an established flow was forgotten";
      conversation.answered = conversation.established = false;
    }
    if (conversation.endpoint != slot) {
      EXPECT_FALSE(must_stay(conversation)) << "an established flow moved";
      EXPECT_EQ(states_[slot], lb::EndpointState::ready) << "a new flow to an endpoint that gets none";
    }
    kept_from_moving += conversation.established && states_[slot] != lb::EndpointState::ready ? 1 : 0;
    conversation.established =
        conversation.established || (conversation.answered && packet.flags != kSyn && conversation.endpoint == slot);
    conversation.endpoint = slot;
    conversation.ended = conversation.ended || (packet.flags & (kFin | kRst)) != 0;
    answer(packet, slot);
  }

  /// Did this packet, no SYN, begin its flow anew? A full table soon forgets what nobody has answered since.
  bool began_with(const Packet& packet) {
    const Conversation& conversation = conversations_[packet.conversation];
    if (packet.flags == kSyn) {
      return false;
    }
    const flow::Flow4* flow = bed_.find(key_of(conversation.client, conversation.vip, conversation.protocol), now_);
    return flow != nullptr && flow->created == time::to_millis(now_);
  }

  Bytes to_endpoint(const Packet& packet, uint32_t slot) const {
    return built(packet, conversations_[packet.conversation].client, endpoint_at(slot))
        .ttl(63)
        .addresses(kUplinkAddresses)
        .bytes();
  }

  void check_reply(const Packet& packet, const PipelineBed::Sent& sent) {
    Conversation& conversation = conversations_[packet.conversation];
    if (sent.verdict != Verdict::reply) {
      EXPECT_EQ(sent.verdict, Verdict::not_ours);
      EXPECT_TRUE(conversation.endpoint != packet.from_endpoint || conversation.ended)
          << "a reply of the conversation's own endpoint was lost";
      return;
    }
    EXPECT_EQ(conversation.endpoint, packet.from_endpoint);
    EXPECT_EQ(hex(sent.bytes),
              hex(built(packet, conversation.vip, conversation.client).ttl(63).addresses(kPodsAddresses).bytes()));
    conversation.answered = true;
    conversation.ended = conversation.ended || (packet.flags & (kFin | kRst)) != 0;
    if (random_() % 4 != 0) {
      const uint32_t end = random_() % 30;
      say(packet.conversation, end == 0 ? kFin | kAck : end == 1 ? kRst : kAck);
    }
  }

  /// What an endpoint does with a request.
  void answer(const Packet& packet, uint32_t slot) {
    if ((packet.flags & kRst) == 0) {
      const bool opening = packet.flags == kSyn;
      say(packet.conversation, opening ? kSyn | kAck : random_() % 20 == 0 ? kFin | kAck : kAck, slot);
    }
  }

  std::mt19937 random_;
  PipelineBed bed_;
  std::vector<std::optional<lb::EndpointState>> states_;  ///< by slot; none: not in the registry
  uint64_t epoch_ = 0;
  std::shared_ptr<const lb::Snapshot> snapshot_;
  std::vector<Conversation> conversations_;
  std::array<std::deque<Packet>, 2> in_flight_;                              ///< by the port that they arrive at
  time::Time now_ = std::chrono::milliseconds(uint64_t{UINT32_MAX} - 3000);  // the coarse clock wraps on the way
};

class MeshSimulation : public ::testing::TestWithParam<uint32_t> {};  // by the flow table's capacity

TEST_P(MeshSimulation, EstablishedFlowsNeverMove) {
  uint64_t requests = 0;
  uint64_t replies = 0;
  uint64_t full = 0;
  uint64_t refused = 0;
  uint64_t kept = 0;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mesh mesh(seed, GetParam());
    mesh.run(400);
    if (HasFailure()) {
      return;
    }
    requests += mesh.count(Verdict::request);
    replies += mesh.count(Verdict::reply);
    full += mesh.count(Verdict::table_full);
    refused += mesh.count(Verdict::refused_no_endpoint);
    kept += mesh.kept_from_moving;
  }
  // Or the simulation shows little.
  EXPECT_GT(requests, 50'000U);
  EXPECT_GT(replies, 50'000U);
  EXPECT_GT(refused, 100U);
  EXPECT_GT(kept, 1000U);
  EXPECT_EQ(full > 0, GetParam() < kConversations);
}

INSTANTIATE_TEST_SUITE_P(FlowCapacity, MeshSimulation, ::testing::Values(64, 1024));

}  // namespace
}  // namespace weft::test
