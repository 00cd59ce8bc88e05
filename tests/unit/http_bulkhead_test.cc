// SPDX-License-Identifier: Apache-2.0
/// @file Bulkheads in the whole proxy: what callers of a service leave to each other, and what a service that is stuck
/// or flooded leaves to another: the same responses at the same times as without it.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::CallerBoard;
using lb::CallerLimits;
using std::chrono::milliseconds;
using std::chrono::seconds;

const lb::Address kCart = kMeshClient;
const lb::Address kStranger{lb::address_from_host(0x0a010002)};
const lb::Address kVipOfTwo{lb::address_from_host(0x0a600002)};

struct BulkheadProtections {
  Protections protections{64, 256, 1};
};

class HttpCallers : private BulkheadProtections, public HttpProxied {
 protected:
  HttpCallers() : HttpProxied({.protections = &protections}) {
    mesh.callers = lb::CallerTable().with(
        {{kCart, std::make_shared<const lb::Caller>(lb::Caller{{"shop"}, {"cluster.local/ns/shop/sa/cart"}})}});
  }
  using BulkheadProtections::protections;

  void limit(CallerLimits limits, lb::AppProtocol protocol = lb::AppProtocol::http) {
    limits.id = 77;
    mesh.publish({asking(http_service("default/web", 1, {1}, {.protocol = protocol}), {.callers = std::move(limits)})});
  }
  tcp::ConnectionId ask(const lb::Address& from) {
    const auto client = mesh.connect(kMeshVip, from);
    mesh.say(client, kGet);
    return client;
  }
  std::string told(tcp::ConnectionId client) { return first_line(mesh.hear_client(client)); }
  std::string detail_of_last() const { return std::string(to_string(mesh.records.back().decided_by)); }
  uint64_t overflows(Protection bound) const {
    return protections.counters[0][1].overflows[static_cast<size_t>(bound) - 1].get();
  }
  void answer_all() {
    for (const auto& heard : mesh.heard()) {
      mesh.say(heard.id, kOk);
    }
  }
  void expect_nothing_in_use() {
    mesh.pass(seconds(130));
    EXPECT_EQ(protections.callers.open_places(), 0U);
    for (const auto kind : {CallerBoard::connections, CallerBoard::pending, CallerBoard::requests}) {
      for (uint32_t place = 0; place < protections.callers.places(); ++place) {
        ASSERT_EQ(protections.callers.held(kind, place), 0U);
      }
    }
    expect_all_given_back();
  }
};

constexpr std::string_view kTooMany = "HTTP/1.1 503 Service Unavailable";

TEST_F(HttpCallers, EachHasItsRequests) {
  limit({.bounds = {.max_requests = 2}});
  const auto first = ask(kCart);
  const auto second = ask(kCart);
  EXPECT_EQ(told(ask(kCart)), kTooMany);
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(detail_of_last(), "caller_max_requests");
  EXPECT_EQ(overflows(Protection::caller_max_requests), 1U);
  const auto stranger = ask(kStranger);
  answer_all();
  for (const auto client : {first, second, stranger}) {
    EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  }
  const auto again = ask(kCart);
  answer_all();
  EXPECT_EQ(mesh.hear_client(again), kOkHeard);
  expect_nothing_in_use();
}

TEST_F(HttpCallers, AnOverrideHoldsForWhomItIsAbout) {
  limit({.bounds = {.max_requests = 1}, .overrides = {{"shop", "", {.max_requests = 3}}}});
  for (int i = 0; i < 3; ++i) {
    ask(kCart);
  }
  EXPECT_EQ(told(ask(kCart)), kTooMany);
  ask(kStranger);
  EXPECT_EQ(told(ask(kStranger)), kTooMany);
  EXPECT_EQ(mesh.heard().size(), 4U);
}

TEST_F(HttpCallers, EachHasItsRequestsThatWaitForAConnection) {
  limit({.bounds = {.max_pending = 1}});
  mesh.silent = endpoint_address(1);
  ask(kCart);
  EXPECT_EQ(told(ask(kCart)), kTooMany);
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(detail_of_last(), "caller_max_pending_requests");
  ask(kStranger);
  EXPECT_EQ(told(ask(kStranger)), kTooMany);
  EXPECT_EQ(overflows(Protection::caller_max_pending), 2U);
  mesh.silent = {};
  mesh.pass(seconds(9));  // SYNs are sent again
  answer_all();
  expect_nothing_in_use();
}

TEST_F(HttpCallers, EachHasItsConnections) {
  limit({.bounds = {.max_connections = 2}});
  const auto first = mesh.connect();
  const auto second = mesh.connect();
  EXPECT_TRUE(mesh.told(mesh.connect()) & tcp::event::reset);
  EXPECT_EQ(overflows(Protection::caller_max_connections), 1U);
  EXPECT_FALSE(mesh.told(mesh.connect(kMeshVip, kStranger)) & tcp::event::reset);
  EXPECT_EQ(exchange(first, kGet).client, kOkHeard);
  mesh.reset(first);
  const auto third = mesh.connect();
  EXPECT_FALSE(mesh.told(third) & tcp::event::reset);
  EXPECT_EQ(exchange(third, kGet).client, kOkHeard);
  EXPECT_EQ(exchange(second, kGet).client, kOkHeard);
  expect_nothing_in_use();
}

TEST_F(HttpCallers, EachHasItsRelayedConnections) {
  limit({.bounds = {.max_connections = 2}}, lb::AppProtocol::opaque);
  const auto first = mesh.connect();
  const auto second = mesh.connect();
  EXPECT_TRUE(mesh.told(mesh.connect()) & tcp::event::reset);
  EXPECT_EQ(overflows(Protection::caller_max_connections), 1U);
  const auto stranger = mesh.connect(kMeshVip, kStranger);
  EXPECT_FALSE(mesh.told(stranger) & tcp::event::reset);
  mesh.reset(first);
  EXPECT_FALSE(mesh.told(mesh.connect()) & tcp::event::reset);
  EXPECT_EQ(protections.callers.open_places(), 2U);
  mesh.reset(second);
  mesh.reset(stranger);
}

/// Their clients leave in the middle: what they had is given back.
TEST_F(HttpCallers, WhoLeavesHasNothingUnderWay) {
  limit({.bounds = {.max_requests = 3, .max_pending = 3, .max_connections = 3}});
  for (int round = 0; round < 5; ++round) {
    std::vector<tcp::ConnectionId> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(ask(kCart));
    }
    EXPECT_EQ(mesh.heard().size(), 3U);
    for (const auto client : clients) {
      mesh.reset(client);
    }
  }
  EXPECT_EQ(overflows(Protection::caller_max_requests), 0U);
  EXPECT_EQ(overflows(Protection::caller_max_connections), 0U);
  expect_nothing_in_use();
}

/// What one service's clients get, while another is quiet, stuck or flooded.
class HttpBesideAStuckOne {
 public:
  enum class Neighbour : uint8_t { quiet, answers_nothing, is_delayed, reads_nothing, is_flooded };
  struct Served {
    uint16_t status;
    ResponseFlags flags;
    uint64_t duration_us;
    uint64_t bytes;

    bool operator==(const Served&) const = default;
  };

  explicit HttpBesideAStuckOne(Neighbour neighbour) : neighbour_(neighbour), mesh_(http(), their_tcp(), tcp()) {
    mesh_.proxy().http().want_records(true);
    lb::Service stuck = http_service("default/stuck", 1, {1});
    if (neighbour_ == Neighbour::is_delayed) {
      const lb::Fault fault{.name = "default/slow", .id = 1, .delay = lb::FaultDelay{60'000, 60'000}};
      stuck.faults = std::make_shared<const lb::Faults>(lb::Faults{fault});
    }
    mesh_.publish({std::move(stuck), http_service("default/other", 2, {2, 3})});
  }

  std::vector<Served> run() {
    for (int round = 0; round < 60; ++round) {
      disturb();
      ask_other(round);
      mesh_.pass(milliseconds(10));
      serve_other();
      mesh_.pass(milliseconds(5));
    }
    std::vector<Served> served;
    for (const AccessRecord& record : mesh_.records) {
      if (record.service_slot == 2) {
        served.push_back(
            {record.status, record.flags, record.duration_us, record.request_bytes + record.response_bytes});
      } else {
        refused_ += (record.flags & response_flag::upstream_overflow) != 0 ? 1 : 0;
      }
    }
    return served;
  }
  uint64_t refused() const { return refused_; }
  uint64_t reset() const { return mesh_.middle.engine.counters().beyond_share; }
  uint64_t pieces_refused() const { return mesh_.middle.engine.counters().pieces_beyond_share; }
  uint32_t pieces() const { return mesh_.middle.engine.pieces(); }

 private:
  static HttpConfig http() { return {.clients = 160, .exchanges = 64, .upstreams = 64}; }
  /// What a request of the other service's takes, and less than those of the stuck one's.
  static tcp::Config their_tcp() { return {.receive_buffer = 32 << 10}; }
  static tcp::Config tcp() {
    tcp::Config config;
    config.connections = 160;
    config.pieces = 1024;
    config.groups = 64;
    return config;
  }

  void disturb() {
    const auto ask_stuck = [&] {
      disturbing_.push_back(mesh_.connect(kMeshVip));
      mesh_.say(disturbing_.back(), kGet);
    };
    switch (neighbour_) {
      case Neighbour::quiet:
        break;
      case Neighbour::answers_nothing:
      case Neighbour::is_delayed:
        ask_stuck();
        ask_stuck();
        break;
      case Neighbour::reads_nothing:
        if (disturbing_.size() < 40) {  // what they say must find room where it is said
          disturbing_.push_back(mesh_.connect(kMeshVip));
          mesh_.say(disturbing_.back(), request("/a", "Content-Length: 100000000\r\n", "POST"));
          mesh_.offer(disturbing_.back(), std::string(40 * 1400, 'x'));
        }
        break;
      case Neighbour::is_flooded:
        for (int i = 0; i < 4; ++i) {
          disturbing_.push_back(mesh_.connect(kMeshVip));  // and says nothing
        }
    }
  }
  void ask_other(int round) {
    const auto client = mesh_.connect(kVipOfTwo);
    mesh_.say(client, round % 2 == 0 ? std::string(kGet) : post("/a", std::string(30'000, 'y')));
    others_.push_back(client);
  }
  void serve_other() {
    for (const auto& [id, endpoint] : mesh_.accepted) {
      if (endpoint != endpoint_address(1) && !mesh_.outside.read(id).empty()) {
        mesh_.say(id, response(200, {}, std::string(20'000, 'z')));
      }
    }
    for (const auto client : others_) {
      mesh_.hear_client(client);
    }
    mesh_.settle();
    if (others_.size() > 4) {
      mesh_.reset(others_.front());
      others_.erase(others_.begin());
    }
  }

  Neighbour neighbour_;
  HttpMesh mesh_;
  std::vector<tcp::ConnectionId> disturbing_;
  std::vector<tcp::ConnectionId> others_;
  uint64_t refused_ = 0;
};

using Neighbour = HttpBesideAStuckOne::Neighbour;

class HttpBulkhead : public ::testing::Test {
 protected:
  void SetUp() override {
    quiet = HttpBesideAStuckOne(Neighbour::quiet).run();
    ASSERT_EQ(quiet.size(), 60U);
    for (const auto& served : quiet) {
      ASSERT_EQ(served.status, 200);
    }
  }
  std::vector<HttpBesideAStuckOne::Served> quiet;
};

TEST_F(HttpBulkhead, AServiceThatAnswersNothingCostsAnotherNothing) {
  HttpBesideAStuckOne beside(Neighbour::answers_nothing);
  EXPECT_EQ(beside.run(), quiet);
  EXPECT_GT(beside.refused(), 0U);
}

TEST_F(HttpBulkhead, AServiceThatAFaultDelaysCostsAnotherNothing) {
  HttpBesideAStuckOne beside(Neighbour::is_delayed);
  EXPECT_EQ(beside.run(), quiet);
  EXPECT_GT(beside.refused(), 0U);
}

TEST_F(HttpBulkhead, AServiceThatReadsNothingCostsAnotherNothing) {
  HttpBesideAStuckOne beside(Neighbour::reads_nothing);
  EXPECT_EQ(beside.run(), quiet);
  EXPECT_GT(beside.pieces_refused(), 0U);
  EXPECT_GT(beside.pieces(), 1024U / 4);
}

TEST_F(HttpBulkhead, AFloodOfConnectionsToAServiceCostsAnotherNothing) {
  HttpBesideAStuckOne beside(Neighbour::is_flooded);
  EXPECT_EQ(beside.run(), quiet);
  EXPECT_GT(beside.reset(), 0U);
}

/// Envoy's persistent hosts are strict only when asked to be.
TEST_F(HttpCallers, ASessionWhoseEndpointIsFullGoesToAnother) {
  lb::HttpRule rule{.backends = {backend(1)},
                    .session = lb::SessionPersistence{.kind = lb::SessionPersistence::Kind::header, .name = "x-s"}};
  lb::Http http{.protocol = lb::AppProtocol::http, .routes = route_table({{"/", std::move(rule)}})};
  mesh.publish(
      {asking(http_service("default/web", 1, {1, 2}, std::move(http)), {.breaker = {.endpoint_max_requests = 1}})});
  const Told first = exchange_once(kGet);
  const std::string brought = request("/a", "x-s: " + value_of(first.client, "x-s") + "\r\n");
  EXPECT_EQ(exchange_once(brought).to, first.to);
  mesh.say(mesh.connect(), brought);
  EXPECT_EQ(number_of(only_heard().endpoint), first.to);  // and is not answered
  const Told moved = exchange_once(brought);
  EXPECT_EQ(first_line(moved.client), "HTTP/1.1 200 OK");
  EXPECT_NE(moved.to, first.to);
}

class HttpShares : public HttpProxied {
 protected:
  HttpShares() : HttpProxied({.exchanges = 20}) {}
};

TEST_F(HttpShares, OfRequestsAServiceHasFourFifths) {
  mesh.publish({http_service("default/web", 1, {1}), http_service("default/other", 2, {2})});
  for (int i = 0; i < 16; ++i) {
    mesh.say(mesh.connect(), kGet);
  }
  EXPECT_EQ(mesh.records.size(), 0U);
  const auto refused = mesh.connect();
  mesh.say(refused, kGet);
  EXPECT_EQ(first_line(mesh.hear_client(refused)), kTooMany);
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(to_string(mesh.records.back().decided_by), "request_share");
  mesh.heard();
  const auto other = mesh.connect(kVipOfTwo);
  EXPECT_EQ(exchange(other, kGet).client, kOkHeard);
}

}  // namespace
}  // namespace weft::proxy
