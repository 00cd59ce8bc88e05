// SPDX-License-Identifier: Apache-2.0
/// @file Soon after a start: replies of connections that an earlier run made, and of others that only look like them.
#include "lb/decision.h"
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using lb::Protocol;

constexpr const char* kOtherEndpoint = "10.2.0.9:8080";

class PipelineRecovery : public PipelineTest {
 protected:
  PipelineRecovery() {
    snapshot = make_snapshot({make_service(kWeb, Protocol::tcp, kWebSlot, {{kWebEndpoint, 0}, {kOtherEndpoint, 9}}),
                              make_service(kDns, Protocol::udp, kDnsSlot, {{kDnsEndpoint, 1}}),
                              make_service("[fd00:96::1]:80", Protocol::tcp, 7, {{"[fd00:2::1]:8080", 7}})});
    vips = std::make_unique<l4::VipsOfEndpoints>(*snapshot);
    bed.pipeline().recover_by(vips.get());
  }

  /// A client whom the hash sends to the endpoint, or away from it.
  Socket client_of(const Socket& endpoint, uint16_t from = 1024) {
    for (uint16_t port = from;; ++port) {
      const Socket one(lb::address_from_host(0x0a010001), port);
      const lb::FlowKey4 key = key_of(one, kWeb, Protocol::tcp);
      if (decide(*snapshot, lb::Tuple(key), hash_of(key, kSeed)).target->address == endpoint.address) {
        return one;
      }
    }
  }
  Sent reply(const Socket& to, uint8_t flags = kAck) {
    return send(tcp(kWebEndpoint, to).flags(flags).payload("data"));
  }

  std::unique_ptr<l4::VipsOfEndpoints> vips;
  const Socket client = client_of(kWebEndpoint);
};

TEST_F(PipelineRecovery, AReplyGoesWhereTheHashSaysItBelongsAndMakesNoFlow) {
  const Sent sent = reply(client);
  EXPECT_EQ(sent.verdict, Verdict::reply_by_hash);
  EXPECT_EQ(sent.egress, kPods);
  expect_bytes(sent.bytes, tcp(kWeb, client).flags(kAck).payload("data").ttl(63).addresses(kPodsAddresses));
  EXPECT_EQ(bed.flows().size(), 0U);
  ASSERT_EQ(send(tcp(client, kWeb)).verdict, Verdict::request) << "the client knows it: its answer begins the flow";
  EXPECT_EQ(bed.adopted_flows(), 1U);
  EXPECT_EQ(reply(client).verdict, Verdict::reply);
}

TEST_F(PipelineRecovery, ASixthVersionsReplyToo) {
  const Sent sent = send(tcp("[fd00:2::1]:8080", "[fd00:1::1]:1024"));
  EXPECT_EQ(sent.verdict, Verdict::reply_by_hash);
  expect_bytes(sent.bytes, tcp("[fd00:96::1]:80", "[fd00:1::1]:1024").ttl(63).addresses(kPodsAddresses));
}

TEST_F(PipelineRecovery, AClientThatKnowsNoSuchConnectionIsLeftAloneAfterItsReset) {
  EXPECT_EQ(reply(client).verdict, Verdict::reply_by_hash);
  EXPECT_EQ(send(tcp(client, kWeb).flags(kRst)).verdict, Verdict::no_flow);
  EXPECT_EQ(reply(client).verdict, Verdict::passed) << "it talks to the endpoint directly";
  EXPECT_EQ(reply(client_of(kWebEndpoint)).verdict, Verdict::passed);
}

TEST_F(PipelineRecovery, AConnectionThatBeginsNowIsNoneOfBefore) {
  EXPECT_EQ(reply(client, kSyn | kAck).verdict, Verdict::passed);
  EXPECT_EQ(reply(client).verdict, Verdict::passed);
}

/// An address of the node's own is no client's: what is left of a relayed connection is weft's TCP's to reset, though
/// its endpoint serves another service by nat.
TEST_F(PipelineRecovery, ARelayedConnectionsEndpointIsNotAnsweringAClient) {
  PipelineBed own({.own_addresses = {lb::parse_address("10.1.0.1").value()}, .proxies = true});
  own.pipeline().recover_by(vips.get());
  const Bytes frame = tcp(kWebEndpoint, client).flags(kAck).payload("data").bytes();
  EXPECT_EQ(own.process(std::span(&frame, 1), kUplink, *snapshot, now).at(0).verdict, Verdict::delivered);
}

TEST_F(PipelineRecovery, OthersPass) {
  EXPECT_EQ(reply(client_of(kOtherEndpoint)).verdict, Verdict::passed) << "the hash says another endpoint";
  EXPECT_EQ(reply(client, kRst).verdict, Verdict::passed);
  EXPECT_EQ(send(tcp("10.2.0.1:9999", client)).verdict, Verdict::passed) << "no endpoint's port";
  EXPECT_EQ(send(udp(kDnsEndpoint, kClient)).verdict, Verdict::passed);
  EXPECT_EQ(send(tcp(kWebEndpoint, client).flags(kAck).ttl(1)).verdict, Verdict::ttl_expired);
  EXPECT_EQ(send(tcp(kWebEndpoint, client).flags(kAck).payload_of(kMtu)).verdict, Verdict::too_big);
}

TEST_F(PipelineRecovery, AfterAnEditTheHashOfNowCounts) {
  snapshot = make_snapshot({make_service(kWeb, Protocol::tcp, kWebSlot, {{kOtherEndpoint, 9}})}, 2);
  EXPECT_EQ(reply(client).verdict, Verdict::passed);
}

TEST_F(PipelineRecovery, EndsAfterItsTime) {
  bed.sweep(1, now);  // the worker runs
  wait(std::chrono::milliseconds(l4::Recovery::kPeriod));
  EXPECT_EQ(reply(client).verdict, Verdict::reply_by_hash);
  wait(std::chrono::milliseconds(1));
  EXPECT_EQ(reply(client_of(kWebEndpoint, 2000)).verdict, Verdict::passed);
}

/// The RST of a client that talks to the endpoint directly may have come to another worker.
TEST_F(PipelineRecovery, LeavesAConnectionAloneThatNobodyAcknowledges) {
  EXPECT_EQ(reply(client).verdict, Verdict::reply_by_hash);
  wait(std::chrono::milliseconds(l4::Recovery::kPatience));
  EXPECT_EQ(reply(client).verdict, Verdict::reply_by_hash);
  wait(std::chrono::milliseconds(1));
  EXPECT_EQ(reply(client).verdict, Verdict::passed);
  wait(std::chrono::seconds(60));
  EXPECT_EQ(reply(client).verdict, Verdict::passed) << "and from then on";
}

TEST_F(PipelineRecovery, WhatOthersBeginExcludesNothing) {
  EXPECT_EQ(reply(client, kSyn).verdict, Verdict::passed);
  EXPECT_EQ(reply(client).verdict, Verdict::reply_by_hash);
}

}  // namespace
}  // namespace weft::test
