// SPDX-License-Identifier: Apache-2.0
/// @file Queries to weft's own name server: answered in the packet that they came in, or left for others to be asked.
#include "dns/forwarding.h"
#include "dns_message.h"
#include "dns_services.h"
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

constexpr const char* kServer = "10.96.0.10:53";
constexpr const char* kServer6 = "[fd00:96::10]:53";
constexpr const char* kClient6 = "[fd00:1::1]:1024";
constexpr const char* kName = "web.default.svc.cluster.local";
constexpr uint16_t kRoom = 1500;

class Names : public PipelineTest {
 protected:
  Names() : Names(false) {}
  explicit Names(bool forwards)
      : rings(256, 4096),
        named({.proxies = true,
               .names = {.zone = std::make_shared<const dns::Zone>(dns_zone(forwards)),
                         .asks = forwards ? &rings.asks : nullptr}}) {
    std::vector<lb::Service> services = small_mesh();
    for (const char* address : {kServer, kServer6}) {
      lb::Service& server = services.emplace_back(make_service(
          address, lb::Protocol::udp, static_cast<uint32_t>(7 + services.size() - small_mesh().size()), {}));
      server.answers_names = true;
      server.policy.mode = lb::Mode::proxy;
    }
    const auto plain = make_snapshot(services);
    snapshot = std::make_shared<lb::Snapshot>(*plain, 7, plain->services(), std::vector<uint32_t>(), few_services());
  }
  void TearDown() override {
    EXPECT_EQ(named.imbalance(), "");
    EXPECT_EQ(named.flows().size() + named.flows6().size(), 0U) << "a query makes no flow";
  }
  Sent ask(const PacketBuilder& frame, uint8_t ingress = kPods, uint16_t room = kRoom) {
    const Bytes bytes = frame.bytes();
    return named.process({&bytes, 1}, ingress, *snapshot, now, room).front();
  }
  static std::string said(const Sent& sent, size_t headers = 42) {
    return dns_text(std::span(sent.bytes).subspan(std::min(headers, sent.bytes.size())));
  }

  struct Rings {
    Rings(size_t asks_bytes, size_t) : asks(asks_bytes) {}
    dns::MessageRing asks;
  } rings;
  PipelineBed named;
};

TEST_F(Names, AreAnsweredInPlace) {
  const Bytes query = dns_query({.name = kName});
  Bytes answer = query;
  answer[2] = std::byte{0x85};
  answer[7] = std::byte{1};
  const Bytes record = bytes_of("c00c 0001 0001 00000005 0004 0a600001");
  answer.insert(answer.end(), record.begin(), record.end());

  const Sent sent = ask(udp(kClient, kServer).payload(query).padding(4));
  EXPECT_EQ(sent.verdict, Verdict::name_answered);
  EXPECT_EQ(sent.egress, kPods);
  expect_bytes(sent.bytes, udp(kServer, kClient).payload(answer).addresses(kPodsAddresses).ttl(64));
  const Sent sent6 = ask(udp(kClient6, kServer6).payload(query), kUplink);
  EXPECT_EQ(sent6.verdict, Verdict::name_answered);
  expect_bytes(sent6.bytes, udp(kServer6, kClient6).payload(answer).addresses(kUplinkAddresses).ttl(64));
}

TEST_F(Names, AnswersHaveNeitherOptionsNorExtensions) {
  const Bytes query = dns_query({.name = kName, .type = 28});
  const Sent sent = ask(udp(kClient, kServer).ip_options(12).payload(query));
  EXPECT_EQ(said(sent), said(ask(udp(kClient, kServer).payload(query))));
  const Sent sent6 = ask(udp(kClient6, kServer6).hop_by_hop().payload(query));
  EXPECT_EQ(said(sent6, 62), said(sent));
}

TEST_F(Names, NeedARightChecksum) {
  const Bytes query = dns_query({.name = kName});
  EXPECT_EQ(ask(udp(kClient, kServer).payload(query).transport_checksum(0x1234)).verdict,
            Verdict::bad_transport_checksum);
  EXPECT_EQ(ask(udp(kClient, kServer).payload(query).transport_checksum(0)).verdict, Verdict::name_answered)
      << "over IPv4, none is no wrong one";
  EXPECT_EQ(ask(udp(kClient6, kServer6).payload(query).transport_checksum(0)).verdict, Verdict::bad_transport_checksum);
}

TEST_F(Names, OfNoQueryThereIsNoAnswer) {
  EXPECT_EQ(ask(udp(kClient, kServer)).verdict, Verdict::no_query);
  EXPECT_EQ(ask(udp(kClient, kServer).payload("short")).verdict, Verdict::no_query);
  EXPECT_EQ(ask(udp(kClient, kServer).payload(dns_query({.name = kName, .flags = 0x8000}))).verdict, Verdict::no_query);
  EXPECT_EQ(ask(udp("10.1.0.1:0", kServer).payload(dns_query({.name = kName}))).verdict, Verdict::bad_source);
  EXPECT_EQ(ask(udp("10.96.0.1:53", kServer).payload(dns_query({.name = kName}))).verdict, Verdict::bad_source)
      << "a virtual address is no client's";
  EXPECT_EQ(ask(udp(kClient, kServer).payload(dns_query({.name = kName})).fragment(0x2000)).verdict, Verdict::fragment);
  EXPECT_EQ(ask(udp(kClient, "10.96.0.10:54").payload("x")).verdict, Verdict::refused_no_service_port);
  EXPECT_EQ(ask(udp(kClient, kServer).payload(dns_query({.name = kName})), kPods, 100).verdict, Verdict::unanswerable)
      << "no buffer of weft's is so small";
  EXPECT_EQ(named.pipeline().names().ignored, 3U);
}

TEST_F(Names, AnswersKeepWithinTheRoutesMtu) {
  std::vector<HostAt> hosts;
  for (int i = 1; i <= 200; ++i) {
    hosts.push_back({"h" + std::to_string(1000 + i), "10.1.0." + std::to_string(i)});
  }
  snapshot = std::make_shared<lb::Snapshot>(*snapshot, 8, snapshot->services(), std::vector<uint32_t>(),
                                            name_table({headless_service("big", "data", hosts)}));
  const PacketBuilder frame =
      udp(kClient, kServer).payload(dns_query({.name = "big.data.svc.cluster.local", .edns = 4096}));
  EXPECT_EQ(ask(frame).bytes.size(), 42 + 1232 - (1232 - 12 - 32 - 11) % 16);
  named.set_forwarding({{{.default_hop = 0, .others_hop = 0}, {.default_hop = 0, .others_hop = 0}},
                        {{.addresses = kPodsAddresses, .mtu = 576, .port = kPods}},
                        {}});
  const Sent small = ask(frame);
  EXPECT_EQ(small.verdict, Verdict::name_answered);
  EXPECT_LE(small.bytes.size(), 14U + 576U);
  EXPECT_NE(said(small).find(" tc"), std::string::npos);
}

TEST_F(Names, AreRefusedIfNobodyIsToBeAsked) {
  EXPECT_EQ(said(ask(udp(kClient, kServer).payload(dns_query({.name = "example.com"})))),
            "REFUSED qr rd ; example.com. A? ; ; ;");
}

class ForwardedNames : public Names {
 protected:
  ForwardedNames() : Names(true) {}
};

TEST_F(ForwardedNames, AreLeftForOthersUntilTheRingIsFull) {
  const Bytes query = dns_query({.name = "example.com", .edns = 1400});
  EXPECT_EQ(ask(udp(kClient, kServer).payload(query), kUplink).verdict, Verdict::name_forwarded);
  dns::Ask told;
  const auto message = dns::take_apart(rings.asks.front(), told);
  EXPECT_EQ(Bytes(message.begin(), message.end()), query);
  EXPECT_EQ(told.tuple, lb::Tuple(key_of(kClient, kServer, lb::Protocol::udp)));
  EXPECT_EQ(told.path, kUplink);
  EXPECT_EQ(told.most, 1232);
  EXPECT_EQ(told.transport, dns::Transport::udp);

  EXPECT_EQ(ask(udp(kClient, kServer).payload(query)).verdict, Verdict::name_forwarded);
  const Sent full = ask(udp(kClient, kServer).payload(query));
  EXPECT_EQ(full.verdict, Verdict::name_answered);
  EXPECT_EQ(said(full), "SERVFAIL qr rd ra ; example.com. A? ; ; ; OPT 1232");
  EXPECT_EQ(named.pipeline().names().backlogged, 1U);
  rings.asks.pop();
  EXPECT_EQ(ask(udp(kClient, kServer).payload(query)).verdict, Verdict::name_forwarded);
  EXPECT_EQ(named.pipeline().names().forwarded, 3U);
  EXPECT_EQ(said(ask(udp(kClient, kServer).payload(dns_query({.name = kName})))).substr(0, 20), "NOERROR qr aa rd ra ");
}

}  // namespace
}  // namespace weft::test
