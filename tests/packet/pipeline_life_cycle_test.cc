// SPDX-License-Identifier: Apache-2.0
/// @file What becomes of a flow, and of the next one, in each state that its endpoint can come to: for every way of
/// forwarding, by exact bytes and exact counters.
///
/// The table below is the specification. Whatever is sent and expected is booked by the test too, and at the end all
/// of the pipeline's counters must be those of the test's own books: none more, none less.
#include "pipeline_ways.h"

namespace weft::test {
namespace {

using lb::EndpointState;
using lb::Removal;

/// How a packet ends.
enum class End {
  at_first,     ///< at the endpoint that the flow began with
  at_second,    ///< at the other one
  at_client,    ///< translated back
  refused,      ///< nobody to take it: reset or port unreachable
  reset,        ///< by weft, in the name of the far end
  last_word,    ///< the endpoint's own segment, as a reset to the client
  not_tracked,  ///< of no flow any more
};

struct Flow {
  End reply;    ///< the endpoint still speaks
  End request;  ///< then the client does
  End late;     ///< then the endpoint again
};

struct State {
  const char* name;
  Backend first;    ///< the endpoint that has the flow; its address and slot are filled in
  bool is_gone;     ///< … unless it is gone
  bool has_second;  ///< is another one ready?
  bool past_grace;
  Removal removal;
  Flow tcp;
  Flow udp;
  End next;  ///< a new flow
};

constexpr End kFirst = End::at_first, kSecond = End::at_second, kBack = End::at_client;
constexpr Flow kStays = {kBack, kFirst, kBack};
constexpr Flow kEnded = {End::last_word, End::reset, End::reset};

const std::vector<State>& states() {
  static const char* const kAnywhere = "0.0.0.0";
  const auto in = [](EndpointState state, uint32_t weight = 1, bool last_resort = false) {
    return Backend{kAnywhere, 0, state, weight, last_resort};
  };
  constexpr bool kGone = true, kHere = false, kAlone = false, kWithSecond = true, kPast = true;
  static const std::vector<State> kStates = {
      {"Ready", in(EndpointState::ready), kHere, kAlone, !kPast, Removal::keep, kStays, kStays, kFirst},
      {"Draining", in(EndpointState::draining), kHere, kWithSecond, !kPast, Removal::keep, kStays, kStays, kSecond},
      {"DrainingAlone", in(EndpointState::draining), kHere, kAlone, !kPast, Removal::keep, kStays, kStays,
       End::refused},
      {"TerminatingButServing", in(EndpointState::draining, 1, true), kHere, kAlone, !kPast, Removal::keep, kStays,
       kStays, kFirst},
      {"NotReady", in(EndpointState::not_ready), kHere, kWithSecond, !kPast, Removal::reset, kStays, kStays, kSecond},
      {"WeightZero", in(EndpointState::ready, 0), kHere, kWithSecond, !kPast, Removal::reset, kStays, kStays, kSecond},
      {"WeightZeroAlone", in(EndpointState::ready, 0), kHere, kAlone, !kPast, Removal::reset, kStays, kStays,
       End::refused},
      {"GoneAndKept",
       {kAnywhere},
       kGone,
       kWithSecond,
       !kPast,
       Removal::keep,
       kStays,
       {kBack, kSecond, End::not_tracked},
       kSecond},
      {"GoneWithinGrace",
       {kAnywhere},
       kGone,
       kWithSecond,
       !kPast,
       Removal::reset,
       kStays,
       {kBack, kSecond, End::not_tracked},
       kSecond},
      {"GonePastGrace",
       {kAnywhere},
       kGone,
       kWithSecond,
       kPast,
       Removal::reset,
       kEnded,
       {kBack, kSecond, End::not_tracked},
       kSecond},
      {"GoneAlone",
       {kAnywhere},
       kGone,
       kAlone,
       !kPast,
       Removal::keep,
       kStays,
       {kBack, End::refused, End::not_tracked},
       End::refused},
      {"GoneAlonePastGrace",
       {kAnywhere},
       kGone,
       kAlone,
       kPast,
       Removal::reset,
       kEnded,
       {kBack, End::refused, End::not_tracked},
       End::refused},
  };
  return kStates;
}

struct Books {
  struct Endpoint {
    uint64_t flows = 0;
    uint64_t active = 0;
    std::array<uint64_t, 2> packets = {};
    std::array<uint64_t, 2> bytes = {};
    bool operator==(const Endpoint&) const = default;
  };
  std::array<uint64_t, l4::kVerdicts> verdicts = {};
  std::array<Endpoint, 2> endpoints;
  uint64_t refused = 0;  ///< by the service
};

class LifeCycle : public testing::TestWithParam<std::tuple<Way, size_t>>, protected WayBed {
 protected:
  LifeCycle() : WayBed(std::get<Way>(GetParam())) {}

  static const State& state() { return states()[std::get<size_t>(GetParam())]; }

  void enter() {
    std::vector<Backend> backends;
    if (!state().is_gone) {
      backends.push_back(state().first);
      backends.back().at = first;
    }
    if (state().has_second) {
      backends.push_back({second, 1});
    }
    publish(backends, state().past_grace ? std::vector<uint32_t>{0} : std::vector<uint32_t>{}, state().removal);
  }

  /// A packet of the client's. @param begins does it begin a flow, if it is forwarded?
  void request(const Socket& from, uint8_t flags, End end, bool begins) {
    const PacketBuilder frame = packet(from, vip, flags).acknowledgment((flags & kAck) != 0 ? kAcknowledged : 0);
    const Sent sent = send(frame);
    if (end == End::refused || end == End::reset) {
      book(sent, end == End::refused ? Verdict::refused_no_endpoint : Verdict::ended_with_endpoint, kPods);
      books.refused += end == End::refused ? 1 : 0;
      expect_bytes(sent.bytes, expected_refusal(frame, from, flags));
      return;
    }
    book(sent, forwarded(), kUplink);
    if (begins || !sent_first) {
      sent_first = sent;
    }
    const size_t slot = end == End::at_first ? 0 : 1;
    books.endpoints[slot].flows += begins ? 1 : 0;
    books.endpoints[slot].active += begins ? 1 : 0;
    book_packet(slot, 0, frame);
    PacketBuilder expected = packet(from, vip, flags).acknowledgment((flags & kAck) != 0 ? kAcknowledged : 0);
    if (way.dsr()) {
      expected = expected_tunnel(expected.ip(), from, endpoint(slot));
    } else {
      const Socket source = way.mode == lb::Mode::fullnat ? own_source(*sent_first) : from;
      expected = packet(source, endpoint(slot), flags).acknowledgment((flags & kAck) != 0 ? kAcknowledged : 0).ttl(63);
    }
    expect_bytes(sent.bytes, expected.addresses(kUplinkAddresses));
  }

  /// A packet of the first endpoint's, to where it was asked from.
  void reply(const Socket& to, End end) {
    const PacketBuilder frame = packet(first, to, kAck).acknowledgment(kAcknowledged);
    const Sent sent = send(frame, kUplink);
    switch (end) {
      case End::at_client:
        book(sent, Verdict::reply, kPods);
        book_packet(0, 1, frame);
        expect_bytes(sent.bytes, expected_reply(kAck).acknowledgment(kAcknowledged));
        return;
      case End::last_word:
        book(sent, Verdict::ended_with_endpoint, kPods);
        expect_bytes(sent.bytes, PacketBuilder(6, vip, client)
                                     .flags(kRst | kAck)
                                     .acknowledgment(kAcknowledged)
                                     .window(0)
                                     .addresses(kPodsAddresses));
        return;
      case End::reset:
        book(sent, Verdict::ended_with_endpoint, kUplink);
        expect_bytes(
            sent.bytes,
            PacketBuilder(6, to, first).flags(kRst).sequence(kAcknowledged).window(0).addresses(kUplinkAddresses));
        return;
      default:
        book(sent, Verdict::not_ours, UINT8_MAX);
    }
  }

  Socket endpoint(size_t slot) const { return slot == 0 ? first : second; }
  void book(const Sent& sent, Verdict verdict, uint8_t egress) {
    EXPECT_EQ(sent.verdict, verdict);
    EXPECT_EQ(sent.egress, egress);
    ++books.verdicts[static_cast<size_t>(verdict)];
  }
  void book_packet(size_t slot, size_t direction, const PacketBuilder& frame) {
    ++books.endpoints[slot].packets[direction];
    books.endpoints[slot].bytes[direction] += frame.ip().size();
  }

  /// All counters are those of the books.
  void TearDown() override {
    EXPECT_EQ(bed.imbalance(), "");
    for (size_t i = 0; i < l4::kVerdicts; ++i) {
      const auto verdict = static_cast<Verdict>(i);
      EXPECT_EQ(bed.count(verdict), books.verdicts[i]) << l4::info(verdict).name;
    }
    uint64_t flows = 0;
    uint64_t active = 0;
    for (size_t slot = 0; slot < books.endpoints.size(); ++slot) {
      const Books::Endpoint& expected = books.endpoints[slot];
      const l4::EndpointCounters& counted = bed.counters().endpoint[slot];
      EXPECT_EQ(counted.flows.get(), expected.flows) << slot;
      EXPECT_EQ(counted.active_flows.get(), expected.active) << slot;
      for (const size_t direction : {0, 1}) {
        EXPECT_EQ(counted.packets[direction].get(), expected.packets[direction]) << slot << direction;
        EXPECT_EQ(counted.bytes[direction].get(), expected.bytes[direction]) << slot << direction;
      }
      flows += expected.flows;
      active += expected.active;
    }
    EXPECT_EQ(bed.counters().service[0].flows.get(), flows);
    EXPECT_EQ(bed.counters().service[0].active_flows.get(), active);
    EXPECT_EQ(bed.counters().service[0].refused.get(), books.refused);
    EXPECT_EQ(bed.pipeline().active_flows(), active);
    const uint64_t ports = way.mode == lb::Mode::fullnat ? active : 0;
    EXPECT_EQ(bed.pipeline().own_ports().used(0) + bed.pipeline().own_ports().used(1), ports);
  }

  Books books;
  std::optional<Sent> sent_first;  ///< of the flow that is looked at
};

TEST_P(LifeCycle, OfAFlowAndTheNext) {
  const Flow& expected = way.tcp() ? state().tcp : state().udp;
  const bool replies = !way.dsr();  // else they go their own way
  request(client, kSyn, End::at_first, true);
  ASSERT_FALSE(HasFailure());
  const Socket asked_from = replied_to(*sent_first);
  if (replies) {
    reply(asked_from, End::at_client);
  }
  request(client, kAck, End::at_first, false);

  enter();
  if (replies) {
    reply(asked_from, expected.reply);
  }
  const bool moves = !way.tcp() && expected.request != End::at_first;
  if (moves) {
    --books.endpoints[0].active;
  }
  request(client, kAck, expected.request, moves && expected.request == End::at_second);
  if (replies) {
    reply(asked_from, expected.late);
  }
  request({client.address, 2000}, kSyn, state().next, true);
  if (way.tcp() && expected.request == End::reset) {
    --books.endpoints[0].active;
    request(client, kSyn, state().next, true);  // a new connection from the same port
  }
}

INSTANTIATE_TEST_SUITE_P(WaysAndStates, LifeCycle,
                         testing::Combine(testing::ValuesIn(all_ways()), testing::Range(size_t{0}, states().size())),
                         [](const auto& tested) {
                           return name_of(std::get<0>(tested.param)) + states()[std::get<1>(tested.param)].name;
                         });

}  // namespace
}  // namespace weft::test
