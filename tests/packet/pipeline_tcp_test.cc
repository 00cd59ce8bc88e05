// SPDX-License-Identifier: Apache-2.0
/// @file What the pipeline makes of a TCP connection's life: where its segments go, and how long it is remembered.
#include <random>
#include <set>

#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Protocol;
using lb::Tuple;
using std::chrono::milliseconds;

constexpr const char* kNextEndpoint = "10.2.0.9:8080";
constexpr uint32_t kOtherSlot = 9;

lb::Service web(const std::vector<Backend>& ready) {
  return make_service(kWeb, Protocol::tcp, kWebSlot, ready);
}

class PipelineTcp : public PipelineTest {
 protected:
  Sent from_client(uint8_t flags) { return send(tcp(kClient, kWeb).flags(flags)); }
  Sent from_endpoint(uint8_t flags) { return send(tcp(kWebEndpoint, kClient).flags(flags), kUplink); }
  flow::State state() { return flow(kClient, kWeb)->state; }
  uint64_t flows_to(uint32_t slot) { return bed.counters().endpoint[slot].flows.get(); }

  /// From now on the service's only endpoint is another one.
  void replace_endpoint() { snapshot = make_snapshot({web({{kNextEndpoint, kOtherSlot}})}, 2); }
};

TEST_F(PipelineTcp, IsRememberedAccordingToItsState) {
  const flow::Timeouts timeouts;
  const auto expect_lifetime = [&](milliseconds lifetime) {
    const time::Time start = now;
    wait(lifetime);
    EXPECT_NE(flow(kClient, kWeb), nullptr) << lifetime.count();
    wait(milliseconds(1));
    EXPECT_EQ(flow(kClient, kWeb), nullptr) << lifetime.count();
    now = start;
  };
  from_client(kSyn);
  expect_lifetime(timeouts.tcp_opening);
  from_endpoint(kSyn | kAck);
  EXPECT_EQ(state(), flow::State::tcp_opened);
  expect_lifetime(timeouts.tcp_opening);
  from_client(kAck);
  EXPECT_EQ(state(), flow::State::tcp_established);
  expect_lifetime(timeouts.tcp_established);
  from_client(kFin | kAck);
  EXPECT_EQ(state(), flow::State::tcp_client_closed);
  expect_lifetime(timeouts.tcp_closing);
  from_endpoint(kPsh | kAck);
  EXPECT_EQ(state(), flow::State::tcp_client_closed) << "an endpoint may go on sending";
  from_endpoint(kFin | kAck);
  EXPECT_EQ(state(), flow::State::tcp_closed);
  expect_lifetime(timeouts.tcp_closed);
  from_client(kAck);
  EXPECT_EQ(state(), flow::State::tcp_closed) << "the last acknowledgement passes";
}

TEST_F(PipelineTcp, ASpoofedResetDoesNotKillALivingConnection) {
  establish();
  EXPECT_EQ(from_client(kRst).verdict, Verdict::request) << "its receiver judges it";
  EXPECT_EQ(state(), flow::State::tcp_reset);
  EXPECT_EQ(from_client(kAck).verdict, Verdict::request);
  EXPECT_EQ(from_endpoint(kAck).verdict, Verdict::reply);
  EXPECT_EQ(state(), flow::State::tcp_established);
  wait(flow::Timeouts{}.tcp_established);
  EXPECT_EQ(from_endpoint(kAck).verdict, Verdict::reply);
  EXPECT_EQ(flows_to(0), 1U);
}

TEST_F(PipelineTcp, ABelievedResetIsForgottenSoon) {
  establish();
  from_endpoint(kRst);
  wait(flow::Timeouts{}.tcp_reset);
  EXPECT_EQ(from_client(kAck).verdict, Verdict::request) << "a last segment that crossed it";
  wait(flow::Timeouts{}.tcp_reset + milliseconds(1));
  sweep_all();
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTcp, WhatCanBeginNoConnectionCreatesNoFlow) {
  for (const uint8_t flags :
       std::vector<uint8_t>{0, kPsh, kFin, kRst, kRst | kAck, kSyn | kAck, kSyn | kRst, kSyn | kFin}) {
    EXPECT_EQ(from_client(flags).verdict, Verdict::no_flow) << int{flags};
  }
  EXPECT_EQ(bed.flows().size(), 0U);
  EXPECT_EQ(bed.adopted_flows(), 0U);
}

TEST_F(PipelineTcp, ASynOnAnEndedFlowIsDecidedAfresh) {
  const std::vector<std::vector<uint8_t>> endings = {{kFin | kAck}, {kRst}, {kRst, kAck}};
  for (const std::vector<uint8_t>& ending : endings) {
    snapshot = make_snapshot({web({{kWebEndpoint, 0}})});
    establish();
    for (uint8_t flags : ending) {
      from_client(flags);
    }
    if (ending.front() == (kFin | kAck)) {
      from_endpoint(kFin | kAck);
    }
    replace_endpoint();
    expect_bytes(from_client(kSyn).bytes, tcp(kClient, kNextEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses));
    EXPECT_EQ(state(), flow::State::tcp_opening);
    EXPECT_EQ(bed.flows().size(), 1U);
    EXPECT_EQ(from_endpoint(kAck).verdict, Verdict::not_ours) << "the ended flow's endpoint speaks for nobody now";
    from_client(kRst);
    wait(flow::Timeouts{}.tcp_opening + milliseconds(1));
    sweep_all();
  }
  EXPECT_EQ(flows_to(0), 3U);
  EXPECT_EQ(flows_to(kOtherSlot), 3U);
}

TEST_F(PipelineTcp, ASynOnALivingFlowStaysWithItsEndpoint) {
  establish();
  replace_endpoint();
  const auto expect_unmoved = [&] {
    expect_bytes(from_client(kSyn).bytes, tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses));
  };
  expect_unmoved();
  EXPECT_EQ(state(), flow::State::tcp_established);
  from_client(kFin | kAck);
  expect_unmoved();
  EXPECT_EQ(flows_to(kOtherSlot), 0U);
}

TEST_F(PipelineTcp, ARetransmittedSynGoesToTheSameEndpoint) {
  std::vector<Backend> few;
  for (uint32_t i = 0; i < 4; ++i) {
    few.push_back({{lb::address_from_host(0x0a020001 + i), 8080}, i});
  }
  std::vector<Backend> more = few;
  for (uint32_t i = 4; i < 12; ++i) {
    more.push_back({{lb::address_from_host(0x0a020001 + i), 8080}, i});
  }
  const auto before = make_snapshot({web(few)});
  const auto after = make_snapshot({web(more)}, 2);
  uint32_t would_move = 0;
  for (uint16_t port = 1; port <= 60; ++port) {
    const Socket client(lb::address_from_host(0x0a010001), port);
    const lb::FlowKey4 key = key_of(client, kWeb, Protocol::tcp);
    would_move += decide(*before, Tuple(key), hash_of(key, kSeed)).target->slot !=
                  decide(*after, Tuple(key), hash_of(key, kSeed)).target->slot;
    snapshot = before;
    const Sent first = send(tcp(client, kWeb).flags(kSyn));
    snapshot = after;
    const Sent second = send(tcp(client, kWeb).flags(kSyn));
    EXPECT_EQ(hex(first.bytes), hex(second.bytes));
  }
  EXPECT_GT(would_move, 20U) << "or the test shows nothing";
}

TEST_F(PipelineTcp, ASynToAnEndpointThatLeftWhileOpeningIsDecidedAfresh) {
  from_client(kSyn);
  replace_endpoint();
  expect_bytes(from_client(kSyn).bytes, tcp(kClient, kNextEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses));
  EXPECT_EQ(bed.flows().size(), 1U);
  EXPECT_EQ(flows_to(0), 1U);
  EXPECT_EQ(flows_to(kOtherSlot), 1U);
}

TEST_F(PipelineTcp, ASynToAnEndpointThatDrainsWhileOpeningIsDecidedAfresh) {
  from_client(kSyn);
  snapshot = make_snapshot({web({{kWebEndpoint, 0, lb::EndpointState::draining}, {kNextEndpoint, kOtherSlot}})}, 2);
  expect_bytes(from_client(kSyn).bytes, tcp(kClient, kNextEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses));
}

TEST_F(PipelineTcp, ASynToAnEndpointThatLeftAfterItsAnswerIsNot) {
  from_client(kSyn);
  from_endpoint(kSyn | kAck);
  replace_endpoint();
  expect_bytes(from_client(kSyn).bytes, tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses));
}

TEST_F(PipelineTcp, ASynWhoseServiceLostAllEndpointsWhileOpeningIsRefused) {
  from_client(kSyn);
  snapshot = make_snapshot({web({})}, 2);
  EXPECT_EQ(from_client(kSyn).verdict, Verdict::refused_no_endpoint);
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTcp, EditsNeverMoveAnEstablishedFlow) {
  establish();
  replace_endpoint();
  expect_bytes(from_client(kAck).bytes, tcp(kClient, kWebEndpoint).ttl(63).addresses(kUplinkAddresses));
  expect_bytes(from_endpoint(kAck).bytes, tcp(kWeb, kClient).ttl(63).addresses(kPodsAddresses));
  snapshot = make_snapshot({}, 3);
  expect_bytes(from_client(kAck).bytes, tcp(kClient, kWebEndpoint).ttl(63).addresses(kUplinkAddresses));
  expect_bytes(from_endpoint(kAck).bytes, tcp(kWeb, kClient).ttl(63).addresses(kPodsAddresses));
}

TEST_F(PipelineTcp, ATableOfAnotherSizeMovesNoEstablishedFlow) {
  std::vector<Backend> backends;
  for (uint32_t i = 0; i < 8; ++i) {
    backends.push_back({{lb::address_from_host(0x0a020001 + i), 8080}, i});
  }
  lb::Service service = web(backends);
  snapshot = make_snapshot({service});
  const auto chosen = [&](uint16_t port, uint8_t flags) {
    const Bytes sent = send(tcp({lb::address_from_host(0x0a010001), port}, kWeb).flags(flags)).bytes;
    return hex(std::span(sent).subspan(30, 4));
  };
  std::vector<std::string> before;
  for (uint16_t port = 1; port <= 20; ++port) {
    before.push_back(chosen(port, kSyn));
  }
  service.table = std::make_shared<lb::MaglevTable>(service.table->members(), 509, kSeed);
  snapshot = make_snapshot({service}, 2);
  uint32_t would_move = 0;
  for (uint16_t port = 1; port <= 20; ++port) {
    EXPECT_EQ(chosen(port, kAck), before[port - 1U]) << port;
    const lb::FlowKey4 key = key_of({lb::address_from_host(0x0a010001), port}, kWeb, lb::Protocol::tcp);
    const uint32_t slot = decide(*snapshot, lb::Tuple(key), hash_of(key, kSeed)).target->slot;
    would_move += bed.find(key, now)->endpoint_slot != slot ? 1 : 0;
  }
  EXPECT_GT(would_move, 10U) << "a table of another size puts nearly everybody elsewhere: else this showed nothing";
}

TEST_F(PipelineTcp, OnlyASegmentWithAckIsAdopted) {
  for (const uint8_t flags : {0x00, 0x01, 0x20, 0x29}) {  // nothing, FIN, URG, and a Christmas tree
    EXPECT_EQ(from_client(flags).verdict, Verdict::no_flow) << int{flags};
  }
  EXPECT_EQ(bed.flows().size(), 0U);
}

TEST_F(PipelineTcp, AConnectionOlderThanItsFlowIsAdoptedByItsHash) {
  std::vector<Backend> backends;
  for (uint32_t i = 0; i < 8; ++i) {
    backends.push_back({{lb::address_from_host(0x0a020001 + i), 8080}, i});
  }
  snapshot = make_snapshot({web(backends)});
  PipelineBed restarted({});
  std::set<std::string> chosen;
  for (uint16_t port = 1; port <= 32; ++port) {
    const Socket client(lb::address_from_host(0x0a010001), port);
    const Sent syn = send(tcp(client, kWeb).flags(kSyn));
    const Bytes later = tcp(client, kWeb).flags(kAck).payload("GET").bytes();
    const Sent before = send(later);
    const Sent after = restarted.process({&later, 1}, kPods, *snapshot, now).front();
    EXPECT_EQ(after.verdict, Verdict::request);
    EXPECT_EQ(hex(before.bytes), hex(after.bytes));
    chosen.insert(hex(std::span(after.bytes).subspan(30, 4)));
  }
  EXPECT_GT(chosen.size(), 4U) << "several endpoints, or the test shows nothing";
  EXPECT_EQ(restarted.adopted_flows(), 32U);
  EXPECT_EQ(bed.adopted_flows(), 0U);
  EXPECT_EQ(restarted.imbalance(), "");
}

TEST_F(PipelineTcp, AnAdoptedFlowIsEstablishedOnceTheEndpointSpeaks) {
  EXPECT_EQ(from_client(kAck).verdict, Verdict::request);
  EXPECT_EQ(state(), flow::State::tcp_opening);
  EXPECT_EQ(from_endpoint(kAck).verdict, Verdict::reply);
  EXPECT_EQ(state(), flow::State::tcp_established);
}

TEST_F(PipelineTcp, AnAdoptedFlowMayBeginWithItsEnd) {
  EXPECT_EQ(from_client(kFin | kAck).verdict, Verdict::request);
  EXPECT_EQ(state(), flow::State::tcp_client_closed);
  EXPECT_EQ(from_endpoint(kFin | kAck).verdict, Verdict::reply);
  EXPECT_EQ(state(), flow::State::tcp_closed);
  EXPECT_EQ(bed.adopted_flows(), 1U);
}

}  // namespace
}  // namespace weft::test
