// SPDX-License-Identifier: Apache-2.0
/// @file RequestMirror: whole requests to another service as well, of which the client never notices anything.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::HttpRule;
using testing::EndsWith;

class HttpMirrored : public HttpProxied {
 protected:
  static lb::Mirror to(uint32_t number, lb::Fraction fraction = {}) {
    return {.backend = backend(number).port, .fraction = fraction};
  }
  /// What came to each endpoint since the last look, by its number.
  std::map<uint32_t, HttpMesh::Heard> by_endpoint() {
    std::map<uint32_t, HttpMesh::Heard> all;
    for (HttpMesh::Heard& heard : mesh.heard()) {
      const uint32_t number = number_of(heard.endpoint);
      heard.text = all[number].text + heard.text;
      all[number] = std::move(heard);
    }
    return all;
  }
};

TEST_F(HttpMirrored, WholeRequestsGoToBoth) {
  route(HttpRule{.filters = {.request = {.set = {{"x-edit", "1"}}}, .mirrors = {to(3)}}, .backends = {backend(2)}});
  const std::vector<std::string> requests = {
      std::string(kGet),
      post("/a", "hello"),
      post("/a", std::string(60'000, 'x')),  // 43 segments
      request("/a", "Transfer-Encoding: chunked\r\n", "PUT") + "5\r\nhello\r\n0\r\n\r\n",
      request("/a", "", "HEAD"),
  };
  const auto client = mesh.connect();
  for (const std::string& each : requests) {
    mesh.say(client, each);
    auto heard = by_endpoint();
    ASSERT_EQ(heard.size(), 2U) << each.substr(0, 60);
    EXPECT_EQ(unmarked(heard[2].text), unmarked(heard[3].text));
    EXPECT_EQ(body_of(heard[2].text), body_of(each));
    EXPECT_EQ(value_of(heard[3].text, "x-edit"), "1");
    // The mirror's answer is nobody's, whether it comes first or last.
    mesh.say(heard[3].id, each.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" : kOk);
    EXPECT_EQ(mesh.hear_client(client), "");
    mesh.say(heard[2].id, response(201));
    EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 201 Said");
  }
  EXPECT_EQ(mesh.books().mirrored, requests.size());
  EXPECT_EQ(mesh.books().mirrors_left_out, 0U);
  EXPECT_EQ(mesh.books().requests, requests.size());  // not the mirrors
  EXPECT_EQ(mesh.records.size(), requests.size());
  EXPECT_EQ(mesh.accepted.size(), 2U);  // both endpoints' connections were used again
  expect_all_given_back();
}

TEST_F(HttpMirrored, SeveralAndABackendsOwn) {
  route(HttpRule{.filters = {.mirrors = {to(3), to(4)}}, .backends = {backend(2, 1, {.mirrors = {to(5)}})}});
  mesh.say(mesh.connect(), kGet);
  const auto heard = by_endpoint();
  EXPECT_EQ(heard.size(), 4U);
  EXPECT_TRUE(heard.contains(5));
}

TEST_F(HttpMirrored, AFractionOfThem) {
  const auto share = [&](lb::Fraction fraction) {
    route(HttpRule{.filters = {.mirrors = {to(3, fraction)}}, .backends = {backend(2)}});
    const uint64_t before = mesh.books().mirrored;
    const auto client = mesh.connect();
    for (int i = 0; i < 1000; ++i) {
      exchange(client, kGet);
    }
    return mesh.books().mirrored - before;
  };
  EXPECT_EQ(share({0, 100}), 0U);
  EXPECT_EQ(share({1, 1}), 1000U);
  EXPECT_NEAR(static_cast<double>(share({20, 100})), 200, 60);  // 4.7 standard deviations
  EXPECT_NEAR(static_cast<double>(share({1, 3})), 333, 70);
}

TEST_F(HttpMirrored, WhatIsTooLongToBeKeptIsLeftOutAndCounted) {
  route(HttpRule{.filters = {.mirrors = {to(3)}}, .backends = {backend(2)}});
  const auto client = mesh.connect();
  mesh.say(client, post("/a", std::string(70'000, 'x')));
  const auto heard = by_endpoint();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(body_of(heard.at(2).text), std::string(70'000, 'x'));
  EXPECT_EQ(mesh.books().mirrors_left_out, 1U);
  mesh.say(heard.at(2).id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  expect_all_given_back();
}

TEST_F(HttpMirrored, ItsFailureIsNobodys) {
  enum class Way { resets, closes, lies, is_silent, has_no_endpoint, is_not_there };
  for (const Way way : {Way::resets, Way::closes, Way::lies, Way::is_silent, Way::has_no_endpoint, Way::is_not_there}) {
    lb::Mirror mirror = to(3);
    if (way == Way::is_not_there) {
      mirror.backend.slots = {lb::BackendPort::kNone, lb::BackendPort::kNone};
    } else if (way == Way::has_no_endpoint) {
      mirror.backend.slots[0] = 9;
    }
    route(HttpRule{.filters = {.mirrors = {mirror}}, .backends = {backend(2)}});
    const auto client = mesh.connect();
    mesh.say(client, post("/a", "hello"));
    auto heard = by_endpoint();
    ASSERT_TRUE(heard.contains(2));
    if (heard.contains(3)) {
      switch (way) {
        case Way::resets:
          mesh.reset(heard[3].id);
          break;
        case Way::closes:
          mesh.finish(heard[3].id);
          break;
        case Way::lies:
          mesh.say(heard[3].id, "what?\r\n\r\n");
          break;
        default:
          break;
      }
    }
    mesh.pass(std::chrono::seconds(20));  // longer than a mirror may take
    EXPECT_EQ(mesh.hear_client(client), "");
    mesh.say(heard[2].id, kOk);
    EXPECT_EQ(mesh.hear_client(client), kOkHeard) << static_cast<int>(way);
    EXPECT_EQ(flags_of_last(), "-");
    EXPECT_TRUE(mesh.is_idle()) << static_cast<int>(way);
    mesh.reset(client);
  }
}

TEST_F(HttpMirrored, AnotherAttemptIsNotAnotherRequest) {
  route(HttpRule{.filters = {.mirrors = {to(3)}},
                 .backends = {backend(2)},
                 .retry = lb::HttpRetry{.attempts = 2, .codes = {503}}});
  const auto client = mesh.connect();
  mesh.say(client, post("/a", "hello"));
  auto heard = by_endpoint();
  mesh.say(heard[2].id, response(503));
  EXPECT_THAT(by_endpoint().at(2).text, EndsWith("hello"));
  EXPECT_EQ(mesh.books().mirrored, 1U);
}

/// Which takes no part of the pools that others need: an eighth of the exchanges.
TEST_F(HttpMirrored, ATargetThatSaysNothingIsLeftOut) {
  route(HttpRule{.filters = {.mirrors = {to(3)}}, .backends = {backend(2)}});
  const auto client = mesh.connect();
  for (int i = 0; i < 70; ++i) {
    mesh.say(client, kGet);
    mesh.say(by_endpoint().at(2).id, kOk);
    EXPECT_EQ(mesh.hear_client(client), kOkHeard) << i;
  }
  EXPECT_EQ(mesh.books().mirrored, 64U / 8);
  EXPECT_EQ(mesh.books().mirrors_left_out, 70U - 64 / 8);
  EXPECT_EQ(mesh.books().overflows, 0U);
  mesh.pass(std::chrono::seconds(20));  // they are given up
  mesh.say(client, kGet);
  EXPECT_TRUE(by_endpoint().contains(3));
}

}  // namespace
}  // namespace weft::proxy
