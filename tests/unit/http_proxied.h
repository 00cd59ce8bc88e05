// SPDX-License-Identifier: Apache-2.0
/// @file What tests of the whole HTTP proxy begin with: a service whose rules each of them says, and words to say and
/// to look at messages by.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http_mesh.h"
#include "lb/bytes.h"

namespace weft::proxy {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
constexpr std::string_view kOk =
    "HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 08:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello";
/// As the client gets it.
constexpr std::string_view kOkHeard =
    "HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 08:00:00 GMT\r\ncontent-length: 5\r\n\r\nhello";

/// A message without the lines of fields of these names.
inline std::string without(std::string_view text, std::initializer_list<std::string_view> names) {
  std::string rest;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
    const bool is_named = std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      return line.size() > name.size() && line[name.size()] == ':' && lb::same_name(line.substr(0, name.size()), name);
    });
    rest += is_named ? "" : line;
    text.remove_prefix(line.size());
  }
  return rest;
}
/// And without all that weft adds for the endpoint.
inline std::string unmarked(std::string_view text) {
  return without(text, {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "traceparent"});
}
/// All values of a field, by commas; "-": it is not there.
inline std::string value_of(std::string_view text, std::string_view name) {
  std::string values = "-";
  text = text.substr(0, text.find("\r\n\r\n"));
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    text.remove_prefix(std::min(line.size() + 2, text.size()));
    if (line.size() > name.size() && line[name.size()] == ':' && lb::same_name(line.substr(0, name.size()), name)) {
      values = (values == "-" ? "" : values + ", ") + std::string(line.substr(std::min(name.size() + 2, line.size())));
    }
  }
  return values;
}
inline std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find("\r\n")));
}
inline std::string body_of(std::string_view text) {
  const size_t end = text.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(text.substr(end + 4));
}
inline std::string request(std::string_view path, std::string_view fields = {}, std::string_view method = "GET") {
  return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: web\r\n" + std::string(fields) + "\r\n";
}
inline std::string response(int status, std::string_view fields = {}, std::string_view body = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " Said\r\nDate: today\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string post(std::string_view path, std::string_view body, std::string_view fields = {}) {
  return request(path, std::string(fields) + "Content-Length: " + std::to_string(body.size()) + "\r\n", "POST") +
         std::string(body);
}

class HttpProxied : public ::testing::Test {
 protected:
  explicit HttpProxied(HttpConfig http = {}, const tcp::Config& their = {}, const tcp::Config& our = {})
      : mesh(http, their, our) {}

  void SetUp() override {
    mesh.publish({http_service("default/web", 1, {1})});
    mesh.proxy().http().want_records(true);
  }
  /// default/web has these rules; services of the numbers 2 to 5 are what they may lead to, with one endpoint each, of
  /// the same number.
  void route(const std::vector<RuleUnder>& rules) {
    std::vector<lb::Service> services;
    services.push_back(http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table(rules)}));
    for (uint32_t number = 2; number <= 5; ++number) {
      services.push_back(http_service("default/s" + std::to_string(number), number, {number}));
    }
    mesh.publish(std::move(services));
  }
  void route(lb::HttpRule rule) { route({{"/", std::move(rule)}}); }

  /// The one request that came to an endpoint.
  HttpMesh::Heard only_heard() {
    auto heard = mesh.heard();
    EXPECT_EQ(heard.size(), 1U);
    return heard.empty() ? HttpMesh::Heard{} : heard[0];
  }
  /// What the endpoint of one exchange gets, and the client. Of what weft answers itself, the endpoint gets nothing.
  struct Told {
    std::string endpoint;
    std::string client;
    uint32_t to = 0;  ///< the endpoint's number
  };
  Told exchange(tcp::ConnectionId client, std::string_view asked, std::string_view answer = kOk) {
    Told told;
    mesh.say(client, asked);
    for (HttpMesh::Heard& heard : mesh.heard()) {
      told.endpoint += heard.text;
      told.to = number_of(heard.endpoint);
      mesh.say(heard.id, answer);
    }
    told.client = mesh.hear_client(client);
    mesh.settle();
    return told;
  }
  /// By a client that comes for it and goes.
  Told exchange_once(std::string_view asked, std::string_view answer = kOk) {
    const auto client = mesh.connect();
    Told told = exchange(client, asked, answer);
    mesh.reset(client);
    return told;
  }
  static uint32_t number_of(const lb::Address& endpoint) {
    return lb::to_host(endpoint.ipv4()) - lb::to_host(endpoint_address(0).ipv4());
  }
  std::string flags_of_last() const {
    return mesh.records.empty() ? "no record" : to_string(mesh.records.back().flags);
  }
  void expect_all_given_back() {
    mesh.pass(std::chrono::seconds(130));
    EXPECT_TRUE(mesh.is_idle());
    EXPECT_EQ(mesh.books().upstreams, 0U);
    EXPECT_EQ(mesh.books().clients, 0U);
    EXPECT_EQ(mesh.middle.engine.pieces(), 0U);
    EXPECT_TRUE(mesh.middle.buffers.is_whole());
  }

  HttpMesh mesh;
};

}  // namespace weft::proxy
