// SPDX-License-Identifier: Apache-2.0
/// @file Services that do not say what their bytes are: the client's first ones tell, or its silence.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using testing::StartsWith;

class HttpDetected : public HttpProxied {
 protected:
  void SetUp() override {
    mesh.publish({http_service("default/web", 1, {1}, {.protocol = lb::AppProtocol::detect})});
    mesh.proxy().http().want_records(true);
  }
  bool is_read(const std::string& heard) { return heard.find("x-request-id") != std::string::npos; }
};

struct DetectionRow {
  const char* what;
  std::string bytes;
  bool is_http;
};

const std::vector<DetectionRow>& rows() {
  static const std::vector<DetectionRow> rows = {
      {"a request", std::string(kGet), true},
      {"one with a long method", "SUBSCRIBE-TO-IT /a HTTP/1.1\r\nHost: web\r\n\r\n", true},
      {"absolute form", "GET http://web/a HTTP/1.1\r\nHost: web\r\n\r\n", true},
      {"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: web\r\n\r\n", true},
      {"authority form", "CONNECT web:1 HTTP/1.1\r\nHost: web:1\r\n\r\n", true},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), false},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", false},
      {"Redis", "*1\r\n$4\r\nPING\r\n", false},
      {"Redis, by words", "PING\r\n", false},
      {"a mail", "EHLO client.example\r\n", false},
      {"Postgres", std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8), false},
      {"a line", "hello\n", false},
      {"nothing but a letter", "Q\n", false},
  };
  return rows;
}

TEST_F(HttpDetected, ByTheFirstBytesInAnyPieces) {
  for (const DetectionRow& row : rows()) {
    for (const size_t piece : {row.bytes.size(), size_t{1}}) {
      const auto client = mesh.connect();
      std::string heard;
      for (size_t at = 0; at < row.bytes.size(); at += piece) {
        mesh.say(client, row.bytes.substr(at, piece));
        for (const auto& each : mesh.heard()) {
          heard += each.text;
        }
      }
      EXPECT_EQ(is_read(heard), row.is_http) << row.what << piece;
      if (!row.is_http) {
        EXPECT_EQ(heard, row.bytes) << row.what << piece;
      }
      mesh.reset(client);
      mesh.settle();
    }
  }
}

TEST_F(HttpDetected, WithTheClientsEndToo) {
  for (const DetectionRow& row : rows()) {
    const auto client = mesh.connect();
    mesh.outside.engine.write(client, mesh.outside.slice_of(row.bytes));
    mesh.outside.engine.shutdown(client);
    mesh.settle();
    const auto heard = mesh.heard();
    ASSERT_EQ(heard.size(), 1U) << row.what;
    EXPECT_EQ(is_read(heard[0].text), row.is_http) << row.what;
    mesh.reset(heard[0].id);
    mesh.reset(client);
    mesh.pass(milliseconds(5));
  }
}

TEST_F(HttpDetected, AServerThatSpeaksFirstIsHeardInTime) {
  const auto client = mesh.connect();
  mesh.pass(milliseconds(150));
  EXPECT_TRUE(mesh.accepted.empty());
  mesh.pass(milliseconds(100));  // 200 ms, as docs/routing.md has it
  ASSERT_EQ(mesh.accepted.size(), 1U);
  mesh.say(mesh.accepted[0].first, "220 mail.example\r\n");
  EXPECT_EQ(mesh.hear_client(client), "220 mail.example\r\n");
  mesh.say(client, kGet);  // too late to be read
  EXPECT_EQ(only_heard().text, kGet);
}

TEST_F(HttpDetected, WhoGoesMeanwhileIsForgotten) {
  for (int i = 0; i < 100; ++i) {  // more than may wait at a time
    const auto client = mesh.connect();
    mesh.say(client, "GE");
    mesh.reset(client);
    mesh.pass(milliseconds(20));
  }
  EXPECT_TRUE(mesh.accepted.empty());
  EXPECT_EQ(mesh.books().clients, 0U);
  EXPECT_EQ(mesh.middle.engine.connections(), 0U);
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
}

TEST_F(HttpDetected, WhatSaysThatItIsHttpIsNotAsked) {
  mesh.publish({http_service("default/web", 1, {1}, {.protocol = lb::AppProtocol::http})});
  EXPECT_THAT(exchange_once("hello\r\n\r\n").client, StartsWith("HTTP/1.1 400 "));
  mesh.publish({http_service("default/web", 1, {1}, {.protocol = lb::AppProtocol::opaque})});
  EXPECT_EQ(exchange_once(kGet).endpoint, kGet);
}

}  // namespace
}  // namespace weft::proxy
