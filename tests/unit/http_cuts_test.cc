// SPDX-License-Identifier: Apache-2.0
/// @file Exchanges cut at every byte: into segments, which must not matter, and by the death of either side, after
/// which nothing hangs, nothing is kept, and nobody gets another's bytes.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace event = tcp::event;

struct Talk {
  const char* what;
  std::string asked;
  std::string answer;
};

std::vector<Talk> talks() {
  return {
      {"a short one", std::string(kGet), std::string(kOk)},
      {"bodies of known length", post("/a", "hello, endpoint"), response(200, "", "hello, client")},
      {"bodies in chunks",
       request("/a", "Transfer-Encoding: chunked\r\n", "PUT") + "5;x=\"y\"\r\nhello\r\n3\r\nyou\r\n0\r\nT: 1\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\nT: 1\r\n\r\n"},
      {"an interim response", request("/a", "Expect: 100-continue\r\nContent-Length: 2\r\n", "PUT") + "hi",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + std::string(kOk)},
      {"an empty line in front", "\r\n" + std::string(kGet), std::string(kOk)},
      {"no body", request("/a", "", "HEAD"), "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\n\r\n"},
      {"one that weft refuses", request("/a", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), std::string(kOk)},
      {"a tunnel", request("/a", "Connection: upgrade\r\nUpgrade: x\r\n"),
       "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"},
  };
}

class HttpCut : public HttpProxied {
 protected:
  /// What came to the endpoint whose connection is the last one, and who it is; nothing came: no connection.
  std::string listen(tcp::ConnectionId& endpoint) {
    std::string all;
    for (const auto& each : mesh.heard()) {
      endpoint = each.id;
      all += each.text;
    }
    return all;
  }
};

struct Outcome {
  std::string endpoint;
  std::string client;
  std::string flags;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << outcome.endpoint << "---\n" << outcome.client << "---\n" << outcome.flags << "\n";
}

TEST_F(HttpCut, SegmentsDoNotMatter) {
  for (const Talk& talk : talks()) {
    // Each in a mesh of its own, so that the second is not the first's.
    const auto run = [&](size_t cut_asked, size_t cut_answer, size_t piece) {
      HttpMesh own;
      own.publish({http_service("default/web", 1, {1})});
      own.proxy().http().want_records(true);
      const auto client = own.connect();
      Outcome outcome;
      tcp::ConnectionId endpoint;
      const auto say_in_pieces = [&](const auto& to, std::string_view text, size_t cut) {
        for (size_t at = 0; at < text.size();) {
          const size_t some = piece > 0 ? piece : at < cut ? cut - at : text.size() - at;
          own.say(to(), text.substr(at, some));
          at += some;
          for (const auto& each : own.heard()) {
            endpoint = each.id;
            outcome.endpoint += each.text;
          }
        }
      };
      say_in_pieces([&] { return client; }, talk.asked, cut_asked);
      if (!outcome.endpoint.empty()) {
        say_in_pieces([&] { return endpoint; }, talk.answer, cut_answer);
      }
      outcome.client = own.hear_client(client);
      own.reset(client);
      outcome.flags = own.records.empty() ? "-" : to_string(own.records[0].flags);
      outcome.endpoint = unmarked(outcome.endpoint);
      return outcome;
    };
    const Outcome whole = run(0, 0, 0);
    for (size_t cut = 1; cut < talk.asked.size(); ++cut) {
      ASSERT_EQ(run(cut, 0, 0), whole) << talk.what << ": request cut at " << cut;
    }
    for (size_t cut = 1; cut < talk.answer.size(); ++cut) {
      ASSERT_EQ(run(0, cut, 0), whole) << talk.what << ": response cut at " << cut;
    }
    for (const size_t piece : {1, 2, 3, 7}) {
      ASSERT_EQ(run(0, 0, piece), whole) << talk.what << ": in pieces of " << piece;
    }
  }
}

/// And the next exchange is as if nothing had been.
TEST_F(HttpCut, AClientMayDieAtAnyByte) {
  for (const Talk& talk : talks()) {
    for (const bool resets : {true, false}) {
      for (size_t cut = 0; cut <= talk.asked.size(); ++cut) {
        const auto client = mesh.connect();
        mesh.say(client, talk.asked.substr(0, cut));
        tcp::ConnectionId endpoint;
        const bool came = !listen(endpoint).empty();
        resets ? mesh.reset(client) : mesh.finish(client);
        if (came && !(mesh.told(endpoint) & (event::reset | event::peer_closed))) {
          mesh.say(endpoint, talk.answer);
        }
        if (!resets && cut == talk.asked.size()) {  // it has said all, and hears the answer
          EXPECT_NE(mesh.hear_client(client), "") << talk.what;
        }
        mesh.reset(client);
        mesh.settle();
        ASSERT_EQ(mesh.books().clients, 0U) << talk.what << cut << resets;
        ASSERT_EQ(mesh.books().exchanges, 0U) << talk.what << cut << resets;
        mesh.outside_events.clear();
        ASSERT_EQ(exchange_once(kGet).client, kOkHeard) << talk.what << cut << resets;
      }
    }
  }
  expect_all_given_back();
}

TEST_F(HttpCut, AnEndpointMayDieAtAnyByte) {
  for (const Talk& talk : talks()) {
    for (const bool resets : {true, false}) {
      for (size_t cut = 0; cut <= talk.answer.size(); ++cut) {
        const auto client = mesh.connect();
        mesh.say(client, talk.asked);
        tcp::ConnectionId endpoint;
        if (listen(endpoint).empty()) {
          mesh.reset(client);
          continue;
        }
        mesh.say(endpoint, talk.answer.substr(0, cut));
        resets ? mesh.reset(endpoint) : mesh.finish(endpoint);
        // A new connection may have been tried, if this one had served before; then it is answered at once.
        tcp::ConnectionId again;
        const bool was_tried_again = !listen(again).empty();
        if (was_tried_again) {
          EXPECT_TRUE(cut == 0 || talk.answer.substr(0, cut) == "HTTP/1.1 100 Continue\r\n\r\n") << talk.what << cut;
          mesh.say(again, talk.answer);
        }
        const std::string got = mesh.hear_client(client);
        const bool is_told_of_the_cut = (mesh.told(client) & event::reset) != 0;
        EXPECT_TRUE(is_told_of_the_cut || !got.empty()) << talk.what << cut << resets;
        if (!is_told_of_the_cut && !was_tried_again && cut < talk.answer.size() &&
            got.find("HTTP/1.1 502 ") == std::string::npos) {
          EXPECT_EQ(first_line(talk.answer).substr(9, 3), "101") << talk.what << cut << got;  // tunnels end in order
        }
        mesh.reset(client);
        ASSERT_EQ(mesh.books().clients, 0U) << talk.what << cut << resets;
        ASSERT_EQ(mesh.books().exchanges, 0U) << talk.what << cut << resets;
        mesh.outside_events.clear();
        ASSERT_EQ(exchange_once(kGet).client, kOkHeard) << talk.what << cut << resets;
      }
    }
  }
  expect_all_given_back();
}

/// Silent from some byte on: time ends it.
TEST_F(HttpCut, EitherMayFallSilentAtAnyByte) {
  for (const Talk& talk : talks()) {
    std::vector<tcp::ConnectionId> clients;
    for (size_t cut = 0; cut < talk.asked.size(); cut += 5) {
      clients.push_back(mesh.connect());
      mesh.say(clients.back(), talk.asked.substr(0, cut));
      if (clients.size() == 4) {  // as many as may be put together at a time
        mesh.pass(seconds(65));
        clients.clear();
        ASSERT_TRUE(mesh.is_idle()) << talk.what << cut;
        ASSERT_EQ(mesh.books().clients, 0U) << talk.what << cut;
      }
    }
    mesh.pass(seconds(65));
    for (size_t cut = 0; cut < talk.answer.size(); cut += 40) {
      const auto client = mesh.connect();
      mesh.say(client, talk.asked);
      for (const auto& each : mesh.heard()) {
        mesh.say(each.id, talk.answer.substr(0, cut));
      }
      if (std::string_view(talk.what) != "a tunnel" || cut < 60) {
        mesh.pass(seconds(370));
        EXPECT_TRUE(mesh.is_idle()) << talk.what << cut;
      }
      mesh.reset(client);
    }
  }
  expect_all_given_back();
}

}  // namespace
}  // namespace weft::proxy
