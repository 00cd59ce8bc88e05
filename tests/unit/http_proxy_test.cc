// SPDX-License-Identifier: Apache-2.0
/// @file Exchanges from a client's request to the last byte of the response, well and not.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace event = tcp::event;

TEST_F(HttpProxied, BringsARequestToTheEndpointAndTheResponseBack) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = only_heard();
  EXPECT_THAT(heard.text, StartsWith("GET /a HTTP/1.1\r\nhost: web\r\n"));
  EXPECT_THAT(heard.text, HasSubstr("x-forwarded-for: 10.1.0.1\r\n"));
  EXPECT_THAT(heard.text, HasSubstr("x-forwarded-proto: http\r\n"));
  EXPECT_THAT(heard.text, HasSubstr("x-request-id: "));
  EXPECT_THAT(heard.text, HasSubstr("traceparent: 00-"));
  EXPECT_THAT(heard.text, EndsWith("\r\n\r\n"));
  mesh.say(heard.id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  ASSERT_EQ(mesh.records.size(), 1U);
  EXPECT_EQ(mesh.records[0].status, 200);
  EXPECT_EQ(mesh.records[0].path.view(), "/a");
  EXPECT_EQ(to_string(mesh.records[0].flags), "-");
  EXPECT_EQ(mesh.records[0].response_bytes, 5U);
}

TEST_F(HttpProxied, UsesConnectionsAgain) {
  const auto client = mesh.connect();
  for (int i = 0; i < 3; ++i) {
    mesh.say(client, kGet);
    mesh.say(only_heard().id, kOk);
    EXPECT_THAT(mesh.hear_client(client), EndsWith("hello"));
  }
  const auto other = mesh.connect();
  mesh.say(other, kGet);
  mesh.say(only_heard().id, kOk);
  EXPECT_THAT(mesh.hear_client(other), EndsWith("hello"));
  EXPECT_EQ(mesh.accepted.size(), 1U);
  EXPECT_EQ(mesh.books().reused, 3U);
  EXPECT_EQ(mesh.books().parked, 1U);
}

TEST_F(HttpProxied, AnswersPipelinedRequestsInTheirOrder) {
  const auto client = mesh.connect();
  mesh.say(client, "GET /1 HTTP/1.1\r\nHost: web\r\n\r\nGET /2 HTTP/1.1\r\nHost: web\r\n\r\n");
  auto first = only_heard();
  EXPECT_THAT(first.text, StartsWith("GET /1 "));
  mesh.say(first.id, kOk);
  auto second = only_heard();
  EXPECT_THAT(second.text, StartsWith("GET /2 "));
  mesh.say(second.id, kOk);
  EXPECT_EQ(mesh.hear_client(client), std::string(kOkHeard) + std::string(kOkHeard));
}

TEST_F(HttpProxied, ReadsAHeadThatComesByteByByte) {
  const auto client = mesh.connect();
  for (const char each : kGet) {
    mesh.say(client, std::string_view(&each, 1));
  }
  mesh.say(only_heard().id, kOk);
  EXPECT_THAT(mesh.hear_client(client), EndsWith("hello"));
}

TEST_F(HttpProxied, RelaysBodiesBothWays) {
  const std::string body(200'000, 'x');
  const auto client = mesh.connect();
  mesh.say(client, "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 200000\r\n\r\n");
  std::string heard;
  for (size_t at = 0; at < body.size(); at += 20'000) {
    mesh.say(client, std::string_view(body).substr(at, 20'000));
    for (const auto& each : mesh.heard()) {
      heard += each.text;
    }
  }
  EXPECT_THAT(heard, EndsWith("\r\n\r\n" + body));
  const auto endpoint = mesh.accepted.at(0).first;
  mesh.say(endpoint, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string answer;
  for (int i = 0; i < 20; ++i) {
    mesh.say(endpoint, "3e8\r\n" + std::string(1000, 'y') + "\r\n");
    answer += mesh.hear_client(client);
  }
  mesh.say(endpoint, "0\r\n\r\n");
  answer += mesh.hear_client(client);
  EXPECT_THAT(answer, AllOf(HasSubstr("transfer-encoding: chunked\r\n"), EndsWith("\r\n0\r\n\r\n")));
  EXPECT_TRUE(mesh.is_idle());
  EXPECT_EQ(mesh.books().parked, 1U);
}

TEST_F(HttpProxied, TellsWhoSpeaksNoHttpAndCloses) {
  const auto client = mesh.connect();
  mesh.say(client, "GET /a HTTP/1.1\r\nHost: web\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_THAT(mesh.hear_client(client),
              AllOf(StartsWith("HTTP/1.1 400 Bad Request\r\nserver: weft\r\n"), HasSubstr("connection: close\r\n")));
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_EQ(to_string(mesh.records.at(0).flags), "DPE");
}

TEST_F(HttpProxied, SaysThatThereIsNoEndpoint) {
  mesh.publish({http_service("default/web", 1, {})});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 503 Service Unavailable\r\nserver: weft\r\n"));
  mesh.say(client, kGet);  // the connection stays
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(to_string(mesh.records.at(0).flags), "UH");
}

TEST_F(HttpProxied, TriesAgainWhatWentToAConnectionThatWasJustClosed) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, kOk);
  mesh.hear_client(client);
  mesh.say(client, kGet);
  const auto stale = only_heard();
  mesh.outside.engine.abort(stale.id);
  mesh.settle();
  const auto again = only_heard();
  EXPECT_NE(again.id, stale.id);
  mesh.say(again.id, kOk);
  EXPECT_THAT(mesh.hear_client(client), EndsWith("hello"));
  EXPECT_EQ(mesh.books().fresh_attempts, 1U);
}

TEST_F(HttpProxied, DoesNotRepeatWhatMayHaveBeenDone) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, kOk);
  mesh.hear_client(client);
  mesh.say(client, "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n");
  mesh.outside.engine.abort(only_heard().id);
  mesh.settle();
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 502 "));
}

TEST_F(HttpProxied, ResetsAClientWhoseResponseIsCut) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhel");
  mesh.outside.engine.close(heard.id);
  mesh.settle();
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_EQ(to_string(mesh.records.at(0).flags), "UC");
}

TEST_F(HttpProxied, EndsWhatTheClientLeaves) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = only_heard();
  mesh.outside.engine.abort(client);
  mesh.settle();
  EXPECT_TRUE(mesh.told(heard.id) & event::reset);
  EXPECT_EQ(to_string(mesh.records.at(0).flags), "DC");
  EXPECT_TRUE(mesh.is_idle());
}

TEST_F(HttpProxied, PassesInterimResponses) {
  const auto client = mesh.connect();
  mesh.say(client, "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(mesh.hear_client(client), "HTTP/1.1 100 Continue\r\n\r\n");
  mesh.say(client, "ab");
  EXPECT_EQ(only_heard().text, "ab");
  mesh.say(heard.id, kOk);
  EXPECT_THAT(mesh.hear_client(client), EndsWith("hello"));
}

TEST_F(HttpProxied, TunnelsWhatWasUpgraded) {
  const auto client = mesh.connect();
  mesh.say(client, "GET /ws HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  const auto heard = only_heard();
  EXPECT_THAT(heard.text, AllOf(HasSubstr("connection: upgrade\r\n"), HasSubstr("upgrade: websocket\r\n")));
  mesh.say(heard.id, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
  EXPECT_THAT(mesh.hear_client(client), AllOf(StartsWith("HTTP/1.1 101 "), EndsWith("\r\n\r\nfirst")));
  mesh.say(client, "\x81\x05hello");
  EXPECT_EQ(only_heard().text, "\x81\x05hello");
  mesh.outside.engine.close(client);
  mesh.settle();
  EXPECT_TRUE(mesh.told(heard.id) & event::peer_closed);
  mesh.say(heard.id, "bye");
  mesh.outside.engine.close(heard.id);
  mesh.settle();
  EXPECT_TRUE(mesh.is_idle());
}

TEST_F(HttpProxied, ServesClientsOfHttp10) {
  const auto client = mesh.connect();
  mesh.say(client, "GET /a HTTP/1.0\r\n\r\n");
  const auto heard = only_heard();
  EXPECT_THAT(heard.text, StartsWith("GET /a HTTP/1.1\r\nhost: 10.96.0.1"));
  mesh.say(heard.id,
           "HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(mesh.hear_client(client), "HTTP/1.1 200 OK\r\nDate: today\r\nconnection: close\r\n\r\nabcde");
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
}

TEST_F(HttpProxied, AsksForARequestsHeadInTime) {
  const auto client = mesh.connect();
  mesh.say(client, "GET /a HTT");
  mesh.pass(milliseconds(10'100));
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(to_string(mesh.records.at(0).flags), "DT");
}

TEST_F(HttpProxied, GivesEverythingBack) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, kOk);
  mesh.hear_client(client);
  const auto half = mesh.connect();
  mesh.say(half, "GET /a HTT");
  const auto gone = mesh.connect();
  mesh.say(gone, kGet);
  mesh.outside.engine.abort(gone);
  mesh.settle();
  expect_all_given_back();
}

}  // namespace
}  // namespace weft::proxy
