// SPDX-License-Identifier: Apache-2.0
#include "dns/responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dns_message.h"
#include "dns_services.h"

namespace weft::dns {
namespace {

using test::Asked;
using test::Bytes;
using test::dns_query;
using test::dns_section;
using test::dns_text;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class DnsResponder : public testing::Test {
 protected:
  Reply respond_to(const Bytes& query, size_t most = kMostUdp, Transport transport = Transport::udp) {
    buffer_.assign(65535, std::byte{0xee});
    std::copy(query.begin(), query.end(), buffer_.begin());
    Query read;
    const Reply reply =
        respond(buffer_, query.size(), most, transport,
                {.zone = zone_, .names = *names_, .client = client_, .serial = 7, .turn = turn_++}, read);
    answer_.assign(buffer_.begin(), buffer_.begin() + reply.length);
    return reply;
  }
  std::string ask(const Asked& asked) {
    respond_to(dns_query(asked));
    return dns_text(answer_);
  }
  std::string ask(const std::string& name, uint16_t type) { return ask({.name = name, .type = type}); }

  Zone zone_ = test::dns_zone();
  std::shared_ptr<const lb::NameTable> names_ = test::few_services();
  lb::Address client_ = lb::parse_address("10.1.0.1").value();
  uint32_t turn_ = 0;
  std::vector<std::byte> buffer_;
  Bytes answer_;
};

constexpr const char* kSoa = "cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5";

TEST_F(DnsResponder, AnswersWithTheseBytes) {
  respond_to(dns_query({.name = "Web.default.svc.cluster.LOCAL", .type = 1}));

  EXPECT_EQ(answer_, test::bytes_of("1234 8500 0001 0001 0000 0000"
                                    "03576562 0764656661756c74 03737663 07636c7573746572 054c4f43414c 00 0001 0001"
                                    "c00c 0001 0001 00000005 0004 0a600001"));
}

TEST_F(DnsResponder, AnswersServicesWithTheirVirtualAddresses) {
  EXPECT_EQ(ask("web.default.svc.cluster.local", 1),
            "NOERROR qr aa rd ; web.default.svc.cluster.local. A? ; web.default.svc.cluster.local. 5 A 10.96.0.1 ; ;");
  EXPECT_EQ(
      ask("WEB.default.svc.Cluster.Local", 28),
      "NOERROR qr aa rd ; WEB.default.svc.Cluster.Local. AAAA? ; WEB.default.svc.Cluster.Local. 5 AAAA fd00:96::1 "
      "; ;");
  EXPECT_EQ(ask({.name = "plain.default.svc.cluster.local", .flags = 0x0010, .edns = 1232, .dnssec_ok = true}),
            "NOERROR qr aa cd ; plain.default.svc.cluster.local. A? ; plain.default.svc.cluster.local. 5 A 10.96.0.2 ; "
            "; OPT 1232 do");
}

TEST_F(DnsResponder, TellsWhatHasNoSuchRecordFromWhatIsNotThere) {
  const auto nodata = [&](const std::string& name, uint16_t type) {
    const std::string text = ask(name, type);
    return text.starts_with("NOERROR") && dns_section(answer_, 1).empty() &&
           dns_section(answer_, 2) == std::vector<std::string>{kSoa};
  };
  const auto missing = [&](const std::string& name, uint16_t type) {
    const std::string text = ask(name, type);
    return text.starts_with("NXDOMAIN qr aa") && dns_section(answer_, 1).empty() &&
           dns_section(answer_, 2) == std::vector<std::string>{kSoa};
  };
  EXPECT_TRUE(nodata("plain.default.svc.cluster.local", type::aaaa));
  EXPECT_TRUE(nodata("web.default.svc.cluster.local", type::srv));
  EXPECT_TRUE(nodata("default.svc.cluster.local", type::a));
  EXPECT_TRUE(nodata("data.svc.cluster.local", type::a));
  EXPECT_TRUE(nodata("svc.cluster.local", type::a));
  EXPECT_TRUE(nodata("cluster.local", type::a));
  EXPECT_TRUE(nodata("dns.cluster.local", type::a));
  EXPECT_TRUE(nodata("_tcp.web.default.svc.cluster.local", type::a));
  EXPECT_TRUE(nodata("_udp.web.default.svc.cluster.local", type::srv));
  EXPECT_TRUE(nodata("_http._tcp.web.default.svc.cluster.local", type::a));
  EXPECT_TRUE(nodata("db-1.db.data.svc.cluster.local", type::aaaa));

  EXPECT_TRUE(missing("nobody.default.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("web.nowhere.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("nowhere.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("x.web.default.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("_udp.db.data.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("_sctp.web.default.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("_https._tcp.web.default.svc.cluster.local", type::srv));
  EXPECT_TRUE(missing("_http._udp.web.default.svc.cluster.local", type::srv));
  EXPECT_TRUE(missing("http._tcp.web.default.svc.cluster.local", type::srv));
  EXPECT_TRUE(missing("a._http._tcp.web.default.svc.cluster.local", type::srv));
  EXPECT_TRUE(missing("db-2.db.data.svc.cluster.local", type::a));
  EXPECT_TRUE(missing("db.cluster.local", type::a));
  EXPECT_TRUE(missing("pod.cluster.local", type::a));
  EXPECT_TRUE(missing("x.dns.cluster.local", type::a));
  EXPECT_TRUE(missing("idle.data.svc.cluster.local", type::a)) << "no ready endpoint: specification, section 2.4.1";
}

TEST_F(DnsResponder, AnswersHeadlessServicesWithTheirEndpoints) {
  std::set<std::string> first;
  for (int i = 0; i < 12; ++i) {
    ask("db.data.svc.cluster.local", type::a);
    EXPECT_THAT(dns_section(answer_, 1), UnorderedElementsAre("db.data.svc.cluster.local. 5 A 10.1.0.5",
                                                              "db.data.svc.cluster.local. 5 A 10.1.0.6"));
    first.insert(dns_section(answer_, 1)[0]);
  }
  EXPECT_THAT(first, SizeIs(2)) << "not always the same begins";
  EXPECT_EQ(ask("db.data.svc.cluster.local", type::aaaa),
            "NOERROR qr aa rd ; db.data.svc.cluster.local. AAAA? ; db.data.svc.cluster.local. 5 AAAA fd00:1::5 ; ;");
  EXPECT_EQ(ask("db-0.db.data.svc.cluster.local", type::a),
            "NOERROR qr aa rd ; db-0.db.data.svc.cluster.local. A? ; db-0.db.data.svc.cluster.local. 5 A 10.1.0.5 ; ;");
  EXPECT_EQ(ask("DB-0.db.data.svc.cluster.local", type::aaaa),
            "NOERROR qr aa rd ; DB-0.db.data.svc.cluster.local. AAAA? ; DB-0.db.data.svc.cluster.local. 5 AAAA "
            "fd00:1::5 ; ;");
}

TEST_F(DnsResponder, AnswersServiceRecords) {
  EXPECT_EQ(ask("_http._tcp.web.default.svc.cluster.local", type::srv),
            "NOERROR qr aa rd ; _http._tcp.web.default.svc.cluster.local. SRV? ; "
            "_http._tcp.web.default.svc.cluster.local. 5 SRV 0 100 80 web.default.svc.cluster.local. ; ; "
            "web.default.svc.cluster.local. 5 A 10.96.0.1, web.default.svc.cluster.local. 5 AAAA fd00:96::1");
  ask("_QUIC._udp.plain.default.svc.cluster.local", type::srv);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("_QUIC._udp.plain.default.svc.cluster.local. 5 SRV 0 100 443 "
                                                   "plain.default.svc.cluster.local."));
  for (int i = 0; i < 3; ++i) {
    ask("_peer._tcp.db.data.svc.cluster.local", type::srv);
    EXPECT_THAT(
        dns_section(answer_, 1),
        UnorderedElementsAre("_peer._tcp.db.data.svc.cluster.local. 5 SRV 0 100 7001 db-0.db.data.svc.cluster.local.",
                             "_peer._tcp.db.data.svc.cluster.local. 5 SRV 0 100 7001 db-1.db.data.svc.cluster.local."));
    EXPECT_THAT(dns_section(answer_, 3), UnorderedElementsAre("db-0.db.data.svc.cluster.local. 5 A 10.1.0.5",
                                                              "db-0.db.data.svc.cluster.local. 5 AAAA fd00:1::5",
                                                              "db-1.db.data.svc.cluster.local. 5 A 10.1.0.6"));
  }
}

TEST_F(DnsResponder, AnswersOfItsOwnZone) {
  ask("cluster.local", type::soa);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre(kSoa));
  ask("cluster.local", type::ns);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("cluster.local. 5 NS ns.dns.cluster.local."));
  ask("ns.dns.cluster.local", type::a);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("ns.dns.cluster.local. 5 A 10.96.0.10"));
  ask("ns.dns.cluster.local", type::aaaa);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("ns.dns.cluster.local. 5 AAAA fd00:96::10"));
  ask("dns-version.cluster.local", type::txt);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("dns-version.cluster.local. 5 TXT \"1.1.0\""));
  ask("web.default.svc.cluster.local", type::any);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("web.default.svc.cluster.local. 5 HINFO \"RFC8482\" \"\""));
}

TEST_F(DnsResponder, AnswersAddressesWithNames) {
  ask("1.0.96.10.in-addr.arpa", type::ptr);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("1.0.96.10.in-addr.arpa. 5 PTR web.default.svc.cluster.local."));
  ask("6.0.1.10.IN-ADDR.ARPA", type::ptr);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre("6.0.1.10.IN-ADDR.ARPA. 5 PTR db-1.db.data.svc.cluster.local."));
  const std::string reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa";
  ask(reverse, type::ptr);
  EXPECT_THAT(dns_section(answer_, 1), ElementsAre(reverse + ". 5 PTR web.default.svc.cluster.local."));
  for (const char* other : {"9.9.9.10.in-addr.arpa", "01.0.96.10.in-addr.arpa", "256.0.96.10.in-addr.arpa",
                            "0.96.10.in-addr.arpa", "1.1.0.96.10.in-addr.arpa"}) {
    EXPECT_THAT(ask(other, type::ptr), testing::StartsWith("REFUSED qr rd ;")) << other;
  }
  EXPECT_EQ(ask("1.0.96.10.in-addr.arpa", type::txt), "NOERROR qr aa rd ; 1.0.96.10.in-addr.arpa. TXT? ; ; ;");
}

TEST_F(DnsResponder, RefusesWhatIsNotItsOwnOrHasItForwarded) {
  EXPECT_EQ(ask("example.com", type::a), "REFUSED qr rd ; example.com. A? ; ; ;");
  EXPECT_EQ(ask("", type::ns), "REFUSED qr rd ; . NS? ; ; ;");
  EXPECT_EQ(ask("local", type::a), "REFUSED qr rd ; local. A? ; ; ;");
  EXPECT_EQ(ask("xcluster.local", type::a), "REFUSED qr rd ; xcluster.local. A? ; ; ;");
  zone_ = test::dns_zone(true);
  const Bytes query = dns_query({.name = "Example.com", .edns = 1400});
  EXPECT_EQ(respond_to(query).fate, Fate::forward);
  EXPECT_TRUE(std::equal(query.begin(), query.end(), buffer_.begin())) << "the message is as it was";
  EXPECT_THAT(ask("web.default.svc.cluster.local", 1), testing::StartsWith("NOERROR qr aa rd ra ;"));
}

TEST_F(DnsResponder, AnswersOnlyItsClients) {
  zone_ = test::dns_zone(true);
  zone_.clients = lb::PrefixSet({lb::parse_prefix("10.0.0.0/8").value(), lb::parse_prefix("fd00::/8").value()});
  const std::string name = "web.default.svc.cluster.local";
  EXPECT_THAT(ask(name, type::a), testing::StartsWith("NOERROR"));
  for (const char* other : {"192.0.2.1", "2001:db8::1"}) {
    client_ = lb::parse_address(other).value();
    EXPECT_EQ(ask(name, type::a), "REFUSED qr rd ra ; " + name + ". A? ; ; ;");
    const Bytes query = dns_query({.name = "example.com", .edns = 4096});
    const Reply reply = respond_to(query);
    EXPECT_EQ(reply.fate, Fate::answered) << "nor are others asked for it";
    EXPECT_EQ(reply.length, query.size()) << "who forges a source gains nothing";
  }
}

TEST_F(DnsResponder, SaysWhatItDoesNotUnderstand) {
  EXPECT_EQ(ask({.name = "web.default.svc.cluster.local", .edns = 1232, .version = 1}),
            "NOERROR qr rd ; web.default.svc.cluster.local. A? ; ; ; OPT 1232 code 1")
      << "BADVERS is 16";
  EXPECT_EQ(ask({.name = "web.default.svc.cluster.local", .flags = 0x2000}), "NOTIMP qr ;  ; ; ;");
  EXPECT_EQ(ask({.name = "version.bind", .type = 16, .klass = 3}), "REFUSED qr rd ; version.bind. TXT? ; ; ;");
  EXPECT_EQ(ask("cluster.local", type::axfr), "REFUSED qr rd ; cluster.local. TYPE252? ; ; ;");
  EXPECT_EQ(ask("cluster.local", type::opt), "NOTIMP qr rd ; cluster.local. TYPE41? ; ; ;");
  respond_to(test::bytes_of("1234 0100 0001 0000 0000 0000 c00c 0001 0001"));
  EXPECT_EQ(dns_text(answer_), "FORMERR qr rd ;  ; ; ;");
  EXPECT_EQ(respond_to(test::bytes_of("1234 8100 0001 0000 0000 0000 00 0001 0001")).fate, Fate::ignored);
}

TEST_F(DnsResponder, TellsOnlyWhatFits) {
  std::vector<test::HostAt> hosts;
  for (int i = 0; i < 200; ++i) {
    std::string host = "pod-" + std::to_string(1000 + i);
    hosts.push_back({host, "10.1." + std::to_string(i / 100) + "." + std::to_string(i % 100 + 1)});
  }
  names_ = test::name_table({test::headless_service("big", "data", hosts)});
  const auto asked = [&](uint16_t type, std::optional<uint16_t> edns, size_t most = kMostUdp,
                         Transport transport = Transport::udp) {
    const std::string name = type == type::srv ? "_peer._tcp.big.data.svc.cluster.local" : "big.data.svc.cluster.local";
    const Reply reply = respond_to(dns_query({.name = name, .type = type, .edns = edns}), most, transport);
    EXPECT_NE(dns_text(answer_), "malformed");
    EXPECT_EQ(reply.truncated, dns_text(answer_).find(" tc") != std::string::npos);
    return reply;
  };
  // 12 of the header, 32 of the question, 16 a record; and 11 of the OPT record.
  EXPECT_TRUE(asked(type::a, std::nullopt).truncated);
  EXPECT_THAT(dns_section(answer_, 1), SizeIs((512 - 12 - 32) / 16));
  EXPECT_TRUE(asked(type::a, 1000).truncated);
  EXPECT_THAT(dns_section(answer_, 1), SizeIs((1000 - 12 - 32 - 11) / 16));
  EXPECT_TRUE(asked(type::a, 4096).truncated) << "more than 1,232 bytes go over no wire in one piece for certain";
  EXPECT_LE(answer_.size(), 1232U);
  EXPECT_TRUE(asked(type::a, 4096, 548).truncated);
  EXPECT_LE(answer_.size(), 548U);
  EXPECT_FALSE(asked(type::a, std::nullopt, kMostTcp, Transport::tcp).truncated);
  EXPECT_THAT(dns_section(answer_, 1), SizeIs(200));
  EXPECT_TRUE(asked(type::srv, 1232).truncated);
  EXPECT_FALSE(asked(type::srv, 1232, kMostTcp, Transport::tcp).truncated);
  EXPECT_THAT(dns_section(answer_, 1), SizeIs(200));
  EXPECT_THAT(dns_section(answer_, 3), SizeIs(32 + 1)) << "of so many targets the addresses are told along";
}

TEST_F(DnsResponder, InstancesWithTwoFamiliesAreOneTargetUnlessTheirPortsDiffer) {
  lb::NamedService service = test::headless_service(
      "db", "data", {{"a", "10.1.0.1"}, {"a", "fd00:1::1"}, {"b", "10.1.0.2"}, {"b", "fd00:1::2"}, {"c", "10.1.0.3"}});
  service.endpoints[0].ports = {lb::Port{}};  // only the other family has the port
  service.endpoints[3].ports = {lb::port_from_host(7002)};
  service.endpoints[4].ports = {lb::Port{}};
  service.arrange();
  names_ = test::name_table({service});
  for (int i = 0; i < 5; ++i) {
    ask("_peer._tcp.db.data.svc.cluster.local", type::srv);
    EXPECT_THAT(
        dns_section(answer_, 1),
        UnorderedElementsAre("_peer._tcp.db.data.svc.cluster.local. 5 SRV 0 100 7001 a.db.data.svc.cluster.local.",
                             "_peer._tcp.db.data.svc.cluster.local. 5 SRV 0 100 7001 b.db.data.svc.cluster.local.",
                             "_peer._tcp.db.data.svc.cluster.local. 5 SRV 0 100 7002 b.db.data.svc.cluster.local."));
    EXPECT_THAT(dns_section(answer_, 3), UnorderedElementsAre("a.db.data.svc.cluster.local. 5 A 10.1.0.1",
                                                              "a.db.data.svc.cluster.local. 5 AAAA fd00:1::1",
                                                              "b.db.data.svc.cluster.local. 5 A 10.1.0.2",
                                                              "b.db.data.svc.cluster.local. 5 AAAA fd00:1::2"));
  }
}

TEST_F(DnsResponder, AddressesAreToldAlongAllOfAFamilyOrNone) {
  names_ = test::name_table({test::headless_service(
      "db", "data", {{"a", "10.1.0.1"}, {"a", "10.1.0.2"}, {"a", "fd00:1::1"}, {"a", "fd00:1::2"}})});
  std::set<size_t> sizes;
  for (size_t most = 512; most > 90; --most) {
    respond_to(dns_query({.name = "_peer._tcp.db.data.svc.cluster.local", .type = type::srv}), most);
    sizes.insert(dns_section(answer_, 3).size());
  }
  EXPECT_THAT(sizes, ElementsAre(0, 2, 4)) << "RFC 2181, section 9";
}

TEST_F(DnsResponder, ClientsThatAskForTwoTypesAtATimeSeeEveryEndpointFirst) {
  std::vector<test::HostAt> hosts;
  for (int i = 0; i < 10; ++i) {
    hosts.push_back({"p" + std::to_string(i), "10.1.0." + std::to_string(i + 1)});
  }
  names_ = test::name_table({test::headless_service("big", "data", hosts)});
  std::map<std::string, int> first;
  for (int i = 0; i < 1000; ++i) {
    ask("big.data.svc.cluster.local", type::a);
    ++first[dns_section(answer_, 1)[0]];
    ask("big.data.svc.cluster.local", type::aaaa);
  }
  EXPECT_THAT(first, SizeIs(10));
  for (const auto& [record, times] : first) {
    EXPECT_NEAR(times, 100, 40) << record;
  }
}

TEST_F(DnsResponder, ShowsEveryEndpointEquallyOftenThoughNotAllFit) {
  std::vector<test::HostAt> hosts;
  for (int i = 0; i < 100; ++i) {
    hosts.push_back({"p" + std::to_string(100 + i), "10.1.0." + std::to_string(i + 1)});
  }
  names_ = test::name_table({test::headless_service("big", "data", hosts)});
  std::map<std::string, int> seen;
  for (int i = 0; i < 1000; ++i) {
    ask("big.data.svc.cluster.local", type::a);
    for (const std::string& each : dns_section(answer_, 1)) {
      ++seen[each];
    }
  }
  EXPECT_THAT(seen, SizeIs(100));
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](const auto& each) { return std::abs(each.second - 290) < 80; }));
}

TEST_F(DnsResponder, OverTcpTellsSoManyAsFit64KiB) {
  std::vector<test::HostAt> hosts;
  for (int i = 0; i < 5000; ++i) {
    hosts.push_back(
        {"p" + std::to_string(1000 + i), "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)});
  }
  names_ = test::name_table({test::headless_service("big", "data", hosts)});
  const Reply reply = respond_to(dns_query({.name = "big.data.svc.cluster.local"}), kMostTcp, Transport::tcp);

  EXPECT_FALSE(reply.truncated) << "there is nothing that the client could do about it";
  EXPECT_TRUE(reply.cut);
  EXPECT_THAT(dns_section(answer_, 1), SizeIs((65000 - 12 - 32) / 16));
  EXPECT_TRUE(
      respond_to(dns_query({.name = "_peer._tcp.big.data.svc.cluster.local", .type = 33}), kMostTcp, Transport::tcp)
          .cut);
  EXPECT_NE(dns_text(answer_), "malformed");
}

TEST_F(DnsResponder, NoTargetIsLongerThanANameMayBe) {
  const std::string host(63, 'h');
  const std::string service(63, 's');
  const std::string name_space(63, 'n');
  zone_ = *make_zone("a-domain.of-some-length.and-then-some.of-more-length-still.example", {});
  names_ = test::name_table({test::headless_service(service, name_space, {{host, "10.1.0.1"}, {"z", "10.1.0.2"}})});
  ask("_peer._tcp." + service + "." + name_space +
          ".svc.a-domain.of-some-length.and-then-some.of-more-length-still.example",
      type::srv);

  EXPECT_THAT(dns_section(answer_, 1), SizeIs(1)) << dns_text(answer_);
  EXPECT_THAT(dns_section(answer_, 3), SizeIs(1)) << dns_text(answer_);
  EXPECT_EQ(ask("1.0.1.10.in-addr.arpa", type::ptr), "NOERROR qr aa rd ; 1.0.1.10.in-addr.arpa. PTR? ; ; ;");
  EXPECT_THAT(ask("2.0.1.10.in-addr.arpa", type::ptr), testing::HasSubstr(" PTR z." + service));
}

TEST(DnsZone, IsADomain) {
  EXPECT_EQ(make_zone("Cluster.Local.", {})->domain, std::string("\7cluster\5local\0", 15));
  EXPECT_EQ(make_zone("x", {})->labels, 1U);
  for (const char* wrong : {"", ".", "a..b", "-a.b", "a_b", "a b", "ü"}) {
    EXPECT_FALSE(make_zone(wrong, {})) << wrong;
  }
  EXPECT_FALSE(make_zone(std::string(64, 'a'), {}));
  EXPECT_FALSE(make_zone(std::string(60, 'a') + "." + std::string(60, 'a') + ".aaaaaaa", {})) << "too long";
}

}  // namespace
}  // namespace weft::dns
