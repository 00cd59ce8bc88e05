// SPDX-License-Identifier: Apache-2.0
/// @file DNS over TCP: one engine is the client, the name server's the other.
#include "proxy/name_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "dns_message.h"
#include "dns_services.h"
#include "tcp_host.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Bytes;
using test::dns_query;
using test::dns_text;

constexpr const char* kWebName = "web.default.svc.cluster.local";
const lb::Address kAsker{lb::address_from_host(0x0a010001)};
const lb::Address kNames{lb::address_from_host(0x0a60000a)};
const lb::Port kDnsPort = lb::port_from_host(53);

std::string framed(const Bytes& message) {
  std::string text = {static_cast<char>(message.size() >> 8), static_cast<char>(message.size())};
  text.append(reinterpret_cast<const char*>(message.data()), message.size());
  return text;
}

class NamesOverTcp : public ::testing::Test {
 protected:
  void SetUp() override {
    const lb::Snapshot empty(0, 7, {});
    snapshot.emplace(empty, 1, lb::ServiceList({}), std::vector<uint32_t>(), test::few_services());
    server_host.engine.listen(kNames, kDnsPort, 0);
  }
  tcp::ConnectionId open(uint16_t port = 40000) {
    const auto id = *asker.engine.connect({kAsker, kNames, lb::port_from_host(port), kDnsPort}, 1, now);
    settle();
    return id;
  }
  void settle() {
    for (size_t carried = 1; carried > 0;) {
      carried = carry(asker, server_host, now);
      std::vector<tcp::Event> events;
      std::swap(events, server_host.events);
      for (const tcp::Event& each : events) {
        if ((each.what & tcp::event::accepted) != 0) {
          server.begin(each.id, *snapshot, time::to_millis(now));
        }
      }
      server.act(events, *snapshot, time::to_millis(now));
      carried += carry(server_host, asker, now) + events.size();
    }
  }
  void pass(milliseconds time) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(10)) {
      now += milliseconds(10);
      asker.engine.advance(now, asker.output);
      server_host.engine.advance(now, server_host.output);
      server.advance(*snapshot, time::to_millis(now));
      settle();
    }
  }
  void write(tcp::ConnectionId id, std::string_view text) {
    ASSERT_TRUE(asker.engine.write(id, asker.slice_of(text)));
    settle();
  }
  /// The answers that came since, as text.
  std::vector<std::string> answers(tcp::ConnectionId id) {
    received += asker.read(id);
    settle();
    std::vector<std::string> texts;
    while (received.size() >= 2) {
      const size_t length = static_cast<uint8_t>(received[0]) << 8 | static_cast<uint8_t>(received[1]);
      if (received.size() < 2 + length) {
        break;
      }
      texts.push_back(dns_text(std::as_bytes(std::span(received)).subspan(2, length)));
      received.erase(0, 2 + length);
    }
    return texts;
  }
  uint16_t told(tcp::ConnectionId id) const {
    uint16_t what = 0;
    for (const tcp::Event& each : asker.events) {
      what |= each.id == id ? each.what : uint16_t{0};
    }
    return what;
  }

  time::Time now{seconds(5)};
  tcp::Host asker{1};
  tcp::Host server_host{2};
  std::optional<lb::Snapshot> snapshot;
  dns::MessageRing asks{8192};
  NameServer server{
      server_host.engine,
      server_host.buffers.pool(),
      {.zone = std::make_shared<const dns::Zone>(test::dns_zone(true)), .asks = &asks, .clients = 2, .idle = 10'000}};
  std::string received;
};

const std::string kWebAnswer =
    "NOERROR qr aa rd ra ; " + std::string(kWebName) + ". A? ; " + kWebName + ". 5 A 10.96.0.1 ; ;";

TEST_F(NamesOverTcp, AreAnsweredHoweverQueriesAreCut) {
  const auto id = open();
  const std::string query = framed(dns_query({.name = kWebName}));
  for (size_t i = 0; i < query.size(); ++i) {
    EXPECT_THAT(answers(id), testing::IsEmpty());
    write(id, query.substr(i, 1));
  }
  EXPECT_THAT(answers(id), testing::ElementsAre(kWebAnswer));
  write(id, query + query + query.substr(0, 5));
  EXPECT_THAT(answers(id), testing::ElementsAre(kWebAnswer, kWebAnswer));
  asker.engine.shutdown(id);
  settle();
  EXPECT_EQ(server.counters().clients, 0U) << "nobody will complete what is left";
}

TEST_F(NamesOverTcp, AConnectionEndsInOrderWhenItsClientCloses) {
  const auto id = open();
  write(id, framed(dns_query({.name = kWebName})));
  asker.engine.shutdown(id);
  settle();
  EXPECT_THAT(answers(id), testing::ElementsAre(kWebAnswer));
  EXPECT_EQ(server.counters().clients, 0U);
  EXPECT_EQ(told(id) & tcp::event::reset, 0);
  pass(milliseconds(200));
  EXPECT_TRUE(server_host.buffers.is_whole());
}

TEST_F(NamesOverTcp, WhatCanBeNoQueryEndsTheConnection) {
  const auto id = open();
  write(id, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(told(id) & tcp::event::reset, 0);
  EXPECT_EQ(server.counters().ignored, 1U);
  EXPECT_EQ(server.counters().clients, 0U);
}

TEST_F(NamesOverTcp, WhoIsSilentForTooLongIsClosed) {
  const auto id = open();
  pass(seconds(9));
  write(id, framed(dns_query({.name = kWebName})));
  write(id, std::string_view("\0", 1));
  pass(seconds(9));
  EXPECT_EQ(server.counters().clients, 1U);
  pass(seconds(2));
  EXPECT_EQ(server.counters().clients, 0U);
  EXPECT_EQ(server.counters().timed_out, 1U);
}

TEST_F(NamesOverTcp, WhoWaitsForOthersIsNotSilent) {
  const auto id = open();
  write(id, framed(dns_query({.name = "example.com"})));
  pass(seconds(15));
  ASSERT_EQ(server.counters().clients, 1U);
  dns::Ask ask;
  const auto message = dns::take_apart(asks.front(), ask);
  server.answer(ask, message, *snapshot, time::to_millis(now));
  settle();
  EXPECT_THAT(answers(id), testing::SizeIs(1));
  pass(seconds(11));
  EXPECT_EQ(server.counters().timed_out, 1U);
}

TEST_F(NamesOverTcp, WhatIsLeftOfAQueryTakesNoAnswerAway) {
  const auto id = open();
  const std::string query = framed(dns_query({.name = kWebName}));
  ASSERT_TRUE(asker.engine.write(id, asker.slice_of(query + query.substr(0, 5))));
  asker.engine.shutdown(id);
  settle();
  EXPECT_THAT(answers(id), testing::ElementsAre(kWebAnswer));
  EXPECT_EQ(told(id) & tcp::event::reset, 0);
  EXPECT_EQ(server.counters().clients, 0U);
}

TEST_F(NamesOverTcp, WhoSendsAnswersIsReset) {
  const auto id = open();
  write(id, framed(dns_query({.name = kWebName, .flags = 0x8100})));
  EXPECT_NE(told(id) & tcp::event::reset, 0);
  EXPECT_EQ(server.counters().ignored, 1U);
  EXPECT_EQ(server.counters().clients, 0U);
}

TEST_F(NamesOverTcp, AnAnswerIsNotCutForWantOfRoom) {
  std::vector<test::HostAt> hosts;
  for (int i = 0; i < 300; ++i) {
    hosts.push_back(
        {"h" + std::to_string(1000 + i), "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)});
  }
  const lb::Snapshot empty(0, 7, {});
  snapshot.emplace(empty, 2, lb::ServiceList({}), std::vector<uint32_t>(),
                   test::name_table({test::headless_service("big", "data", hosts)}));
  const auto id = open();
  std::string queries;
  for (int i = 0; i < 14; ++i) {
    queries += framed(dns_query({.name = "big.data.svc.cluster.local"}));
  }
  write(id, queries);
  EXPECT_LT(server.counters().queries[1], 14U) << "4,844 bytes each are more than a queue takes";
  size_t whole = 0;
  for (int turns = 0; turns < 1000 && whole < 14; ++turns) {
    for (const std::string& text : answers(id)) {
      EXPECT_EQ(std::count(text.begin(), text.end(), ','), 299);
      ++whole;
    }
    pass(milliseconds(10));
  }
  EXPECT_EQ(whole, 14U);
}

TEST_F(NamesOverTcp, OthersLongAnswersWaitForWhoDoesNotRead) {
  const auto id = open();
  std::string queries;
  for (uint16_t i = 0; i < 5; ++i) {
    queries += framed(dns_query({.name = "example.com", .id = i}));
  }
  write(id, queries);
  for (int i = 0; i < 5; ++i) {
    dns::Ask ask;
    const auto message = dns::take_apart(asks.front(), ask);
    Bytes answer(message.begin(), message.end());
    asks.pop();
    answer.resize(65535);
    server.answer(ask, answer, *snapshot, time::to_millis(now));
  }
  EXPECT_EQ(server.counters().clients, 1U);
  write(id, framed(dns_query({.name = kWebName})));
  std::string all;
  for (int turns = 0; turns < 1000 && all.size() < size_t{5} * 65537 + 50; ++turns) {
    all += asker.read(id);
    pass(milliseconds(10));
  }
  EXPECT_EQ(told(id) & tcp::event::reset, 0);
  for (int i = 0; i < 5; ++i) {
    ASSERT_GT(all.size(), 65537U);
    EXPECT_EQ(all.substr(0, 4), std::string({'\xff', '\xff', '\0', static_cast<char>(i)}));
    all.erase(0, 65537);
  }
  EXPECT_EQ(all.size(), framed(dns_query({.name = kWebName})).size() + 16);
  pass(milliseconds(200));
  EXPECT_TRUE(server_host.buffers.is_whole());
}

TEST_F(NamesOverTcp, ClientsBeyondTheirNumberAreReset) {
  open(40000);
  const auto second = open(40001);
  const auto third = open(40002);
  EXPECT_NE(told(third) & tcp::event::reset, 0);
  EXPECT_EQ(server.counters().refused_clients, 1U);
  write(second, framed(dns_query({.name = kWebName})));
  EXPECT_THAT(answers(second), testing::ElementsAre(kWebAnswer));
}

TEST_F(NamesOverTcp, OthersAnswersComeAsTheyAreReadyAndSoManyAtATime) {
  const auto id = open();
  std::string queries;
  for (uint16_t i = 0; i < 20; ++i) {
    queries += framed(dns_query({.name = "example.com", .id = i}));
  }
  write(id, queries);
  EXPECT_EQ(server.counters().forwarded, 16U) << "so many at a time";
  EXPECT_THAT(answers(id), testing::IsEmpty());
  for (int i = 0; i < 20; ++i) {
    dns::Ask ask;
    const auto message = dns::take_apart(asks.front(), ask);
    Bytes answer(message.begin(), message.end());
    asks.pop();
    answer[2] |= std::byte{0x80};
    server.answer(ask, answer, *snapshot, time::to_millis(now));
    settle();
    EXPECT_THAT(answers(id), testing::ElementsAre("NOERROR qr rd ; example.com. A? ; ; ;"));
    server.answer({.session = 77}, answer, *snapshot, time::to_millis(now));
  }
  EXPECT_EQ(server.counters().relayed, 20U);
  EXPECT_TRUE(asks.front().empty());
}

TEST_F(NamesOverTcp, AnswersForWhoIsGoneAreForgotten) {
  const auto id = open();
  write(id, framed(dns_query({.name = "example.com"})));
  dns::Ask ask;
  const auto message = dns::take_apart(asks.front(), ask);
  const Bytes answer(message.begin(), message.end());
  asker.engine.abort(id);
  settle();
  EXPECT_EQ(server.counters().clients, 0U);
  const auto next = open(40001);
  server.answer(ask, answer, *snapshot, time::to_millis(now));
  settle();
  EXPECT_THAT(answers(next), testing::IsEmpty()) << "another has its place";
  EXPECT_EQ(server.counters().relayed, 0U);
}

TEST_F(NamesOverTcp, WhoDoesNotReadIsNotReadFrom) {
  std::vector<test::HostAt> hosts;
  for (int i = 0; i < 1000; ++i) {
    hosts.push_back(
        {"h" + std::to_string(1000 + i), "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)});
  }
  const lb::Snapshot empty(0, 7, {});
  snapshot.emplace(empty, 2, lb::ServiceList({}), std::vector<uint32_t>(),
                   test::name_table({test::headless_service("big", "data", hosts)}));
  const auto id = open();
  const std::string query = framed(dns_query({.name = "big.data.svc.cluster.local"}));
  size_t asked = 0;
  for (; asker.engine.room(id) > query.size() && asked < 500; ++asked) {
    write(id, query);
  }
  EXPECT_LT(server.counters().queries[1], asked) << "16,000 bytes each, and nobody reads them";
  EXPECT_EQ(server.counters().clients, 1U);
  size_t answered = 0;
  for (int turns = 0; turns < 20'000 && answered < asked; ++turns) {
    answered += answers(id).size();
    pass(milliseconds(10));
  }
  EXPECT_EQ(answered, asked);
}

}  // namespace
}  // namespace weft::proxy
