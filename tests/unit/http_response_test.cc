// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "http_bytes.h"

namespace weft::http {
namespace {

using test::Response;

struct Case {
  std::string text;
  Defect defect = Defect::none;
  uint16_t status = 0;
  std::string reason;
  Framing::Kind kind = Framing::Kind::close;
  uint64_t length = 0;
};

class HttpResponse : public testing::TestWithParam<Case> {};

TEST_P(HttpResponse, IsReadOrRefused) {
  const Case& expected = GetParam();
  const Response response(expected.text + "\r\n");
  ASSERT_EQ(response.defect, expected.defect) << expected.text;
  if (expected.defect == Defect::none) {
    EXPECT_EQ(response.head->status, expected.status) << expected.text;
    EXPECT_EQ(response.head->reason, expected.reason) << expected.text;
    EXPECT_EQ(response.head->body.kind, expected.kind) << expected.text;
    EXPECT_EQ(response.head->body.length, expected.length) << expected.text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    StatusLine, HttpResponse,
    testing::Values(Case{"HTTP/1.1 200 OK\r\n", {}, 200, "OK"},
                    Case{"HTTP/1.0 404 Not Found\r\n", {}, 404, "Not Found"}, Case{"HTTP/1.1 200 \r\n", {}, 200, ""},
                    Case{"HTTP/1.1 200\r\n", {}, 200, ""},
                    Case{"HTTP/1.1 599 \xc3\xa4\tx \r\n", {}, 599, "\xc3\xa4\tx "},
                    Case{"HTTP/1.1 200  x\r\n", {}, 200, " x"}, Case{"HTTP/1.1 2000\r\n", Defect::status_line},
                    Case{"HTTP/1.1 20\r\n", Defect::status_line}, Case{"HTTP/1.1 20x\r\n", Defect::status_line},
                    Case{"HTTP/1.1 099 x\r\n", Defect::status_line}, Case{"HTTP/1.1  200 x\r\n", Defect::status_line},
                    Case{"HTTP/1.1\r\n", Defect::status_line}, Case{"HTTP/1.1 \r\n", Defect::status_line},
                    Case{"http/1.1 200 OK\r\n", Defect::status_line}, Case{"ICY 200 OK\r\n", Defect::status_line},
                    Case{" HTTP/1.1 200 OK\r\n", Defect::status_line}, Case{"", Defect::status_line},
                    Case{"HTTP/1.1 +20 x\r\n", Defect::status_line}, Case{"HTTP/1.1 200\tOK\r\n", Defect::status_line},
                    Case{"HTTP/1.1 200 O\x01\r\n", Defect::status_line}, Case{"HTTP/2.0 200 OK\r\n", Defect::version},
                    Case{"HTTP/1.2 200 OK\r\n", Defect::version}, Case{"HTTP/0.9 200 OK\r\n", Defect::version},
                    Case{"HTTP/1.1 200 OK\n", Defect::line_end}, Case{"HTTP/1.1 200 O\rK\r\n", Defect::line_end}));

INSTANTIATE_TEST_SUITE_P(
    Framing, HttpResponse,
    testing::Values(Case{"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", {}, 200, "OK", Framing::Kind::length, 7},
                    Case{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", {}, 200, "OK", Framing::Kind::length, 0},
                    Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", {}, 200, "OK", Framing::Kind::chunked},
                    Case{"HTTP/1.1 101 x\r\nContent-Length: 7\r\n", Defect::content_length},
                    Case{"HTTP/1.1 204 x\r\nContent-Length: 7\r\n", Defect::content_length},
                    Case{"HTTP/1.1 204 x\r\nContent-Length: 0\r\n", {}, 204, "x", Framing::Kind::none},
                    Case{"HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n", Defect::transfer_encoding},
                    Case{"HTTP/1.1 100 x\r\n", {}, 100, "x", Framing::Kind::none},
                    Case{"HTTP/1.1 103 x\r\n", {}, 103, "x", Framing::Kind::none},
                    Case{"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n", Defect::transfer_encoding},
                    Case{"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n", {}, 304, "x", Framing::Kind::none},
                    Case{"HTTP/1.1 304 x\r\nContent-Length: 7\r\n", {}, 304, "x", Framing::Kind::none},
                    Case{"HTTP/1.1 205 x\r\nContent-Length: 7\r\n", {}, 205, "x", Framing::Kind::length, 7},
                    Case{"HTTP/1.1 200 x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n",
                         Defect::ambiguous_length},
                    Case{"HTTP/1.1 200 x\r\nContent-Length: 7\r\nContent-Length: 8\r\n", Defect::content_length},
                    Case{"HTTP/1.1 200 x\r\nTransfer-Encoding: gzip\r\n", Defect::transfer_encoding},
                    Case{"HTTP/1.1 200 x\r\nTransfer-Encoding: gzip, chunked\r\n", Defect::transfer_coding},
                    Case{"HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n", Defect::transfer_encoding},
                    Case{"HTTP/1.1 200 x\r\nX : y\r\n", Defect::field_name},
                    Case{"HTTP/1.1 200 x\r\nX: y\r\n z\r\n", Defect::folded},
                    Case{"HTTP/1.1 200 x\r\nX: \x7f\r\n", Defect::field_value}));

TEST(HttpResponse, ToHeadAndConnectHasNoBody) {
  const Response ok("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(framing_of(*ok.head, Method::get).length, 7);
  EXPECT_EQ(framing_of(*ok.head, Method::head).kind, Framing::Kind::none);
  EXPECT_EQ(framing_of(*ok.head, Method::connect).kind, Framing::Kind::none);
  const Response refused("HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(framing_of(*refused.head, Method::head).kind, Framing::Kind::none);
  EXPECT_EQ(framing_of(*refused.head, Method::connect).length, 7) << "no tunnel, an answer";
}

TEST(HttpResponse, IsBounded) {
  const std::string text = "HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x') + "\r\nY: z\r\n\r\n";
  EXPECT_EQ(Response(text, {.head = static_cast<uint32_t>(text.size())}).defect, Defect::none);
  EXPECT_EQ(Response(text, {.head = static_cast<uint32_t>(text.size() - 1)}).defect, Defect::head_too_long);
  EXPECT_EQ(Response(text, {.fields = 1}).defect, Defect::too_many_fields);
}

TEST(HttpResponse, Upgrades) {
  const Response response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  EXPECT_TRUE(response.head->upgrades);
  EXPECT_FALSE(Response("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n").head->upgrades);
}

}  // namespace
}  // namespace weft::http
