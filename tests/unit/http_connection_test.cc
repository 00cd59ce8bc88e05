// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "http_bytes.h"

namespace weft::http {
namespace {

using test::Request;
using test::with_fields;

struct Persistence {
  std::string version;
  std::string lines;
  bool keep_alive;
};

class HttpPersistence : public testing::TestWithParam<Persistence> {};

TEST_P(HttpPersistence, FollowsVersionAndConnection) {
  const auto& [version, lines, keep_alive] = GetParam();
  const Request request(with_fields(lines, "GET / " + version));
  ASSERT_EQ(request.defect, Defect::none);
  EXPECT_EQ(request.head->keep_alive, keep_alive) << version << ' ' << lines;
  const test::Response response(version + " 200 OK\r\n" + lines + "\r\n");
  ASSERT_EQ(response.defect, Defect::none);
  EXPECT_EQ(response.head->keep_alive, keep_alive) << version << ' ' << lines;
}

INSTANTIATE_TEST_SUITE_P(Of, HttpPersistence,
                         testing::Values(Persistence{"HTTP/1.1", "", true}, Persistence{"HTTP/1.0", "", false},
                                         Persistence{"HTTP/1.1", "Connection: close\r\n", false},
                                         Persistence{"HTTP/1.1", "Connection: Close\r\n", false},
                                         Persistence{"HTTP/1.1", "Connection: x , ,\tCLOSE ,y\r\n", false},
                                         Persistence{"HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false},
                                         Persistence{"HTTP/1.1", "Connection: keep-alive, close\r\n", false},
                                         Persistence{"HTTP/1.1", "Connection: closed\r\n", true},
                                         Persistence{"HTTP/1.1", "Connection:\r\n", true},
                                         Persistence{"HTTP/1.1", "Proxy-Connection: close\r\n", true},
                                         Persistence{"HTTP/1.0", "Connection: Keep-Alive\r\n", true},
                                         Persistence{"HTTP/1.0", "Connection: keep-alive, close\r\n", false},
                                         Persistence{"HTTP/1.0", "Connection: keep-alivex\r\n", false}));

TEST(HttpConnection, UpgradesIfItSaysSo) {
  const auto upgrades = [](const std::string& lines, const char* first = "GET / HTTP/1.1") {
    return Request(with_fields(lines, first)).head->upgrades;
  };
  EXPECT_TRUE(upgrades("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_TRUE(upgrades("Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n"));
  EXPECT_FALSE(upgrades("Upgrade: websocket\r\n"));
  EXPECT_FALSE(upgrades("Connection: upgrade\r\n"));
  EXPECT_FALSE(upgrades("Connection: upgrade\r\nUpgrade: websocket\r\n", "GET / HTTP/1.0"));
}

TEST(HttpConnection, ExpectsContinueInHttp11) {
  const auto expects = [](const std::string& line, const char* first = "PUT / HTTP/1.1") {
    return Request(with_fields(line, first)).head->expects_continue;
  };
  EXPECT_TRUE(expects("Expect: 100-continue\r\n"));
  EXPECT_TRUE(expects("expect: 100-Continue\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continued\r\n"));
  EXPECT_FALSE(expects("Expect: x\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\n", "PUT / HTTP/1.0"));
}

TEST(HttpConnection, NamesWhatIsForTheNextHopAlone) {
  const Request request(
      with_fields("Connection: x-private, Close\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\n"
                  "Transfer-Encoding: chunked\r\nUpgrade: x\r\nX-Private: 1\r\nX-Privat: 1\r\nClose: 1\r\nVia: x\r\n"));
  ASSERT_EQ(request.defect, Defect::none);
  const Fields& fields = request.head->fields;
  std::string kept;
  for (size_t i = 0; i < fields.size(); ++i) {
    kept += is_hop_by_hop(fields, i) ? "" : std::string(fields[i].name) + " ";
  }
  EXPECT_EQ(kept, "Host X-Privat Via ");
}

TEST(HttpConnection, CannotTakeAwayWhatFramesOrRoutes) {
  const Request request(with_fields("Content-Length: 5\r\nConnection: content-length, host, cookie\r\nCookie: a\r\n"));
  const Fields& fields = request.head->fields;
  EXPECT_FALSE(is_hop_by_hop(fields, 0)) << fields[0].name;
  EXPECT_FALSE(is_hop_by_hop(fields, 1)) << fields[1].name;
  EXPECT_TRUE(is_hop_by_hop(fields, 2)) << fields[2].name;
  EXPECT_TRUE(is_hop_by_hop(fields, 3)) << fields[3].name;
}

/// Each is looked for at each field.
TEST(HttpConnection, NamesSoMany) {
  const auto options = [](int count, const char* between) {
    std::string lines = "Connection: ";
    for (int i = 1; i < count; ++i) {
      lines += between;
    }
    return lines + "a\r\n";
  };
  for (const char* between : {"a,", ",", "a\r\nConnection: "}) {
    EXPECT_EQ(Request(with_fields(options(16, between))).defect, Defect::none) << between;
    EXPECT_EQ(Request(with_fields(options(17, between))).defect, Defect::connection) << between;
    EXPECT_EQ(test::Response("HTTP/1.1 200 OK\r\n" + options(17, between) + "\r\n").defect, Defect::connection);
  }
}

}  // namespace
}  // namespace weft::http
