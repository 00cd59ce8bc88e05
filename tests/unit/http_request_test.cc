// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "http_bytes.h"

namespace weft::http {
namespace {

using namespace std::string_literals;
using test::Request;
using test::with_fields;

TEST(HttpRequest, IsReadWhole) {
  const Request request(
      "POST /a/b?c=d&e HTTP/1.1\r\nHost: Example.COM:8080\r\nuser-agent:curl/7.88\r\nContent-Length: \t 12  \r\n"
      "X-Empty:\r\nX-Spaces:   \t \r\nX-Text: \xc3\xa4 \ttab\r\n\r\n");
  ASSERT_EQ(request.defect, Defect::none);
  const RequestHead& head = *request.head;
  EXPECT_EQ(head.view.method, "POST");
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.target, "/a/b?c=d&e");
  EXPECT_EQ(head.view.path, "/a/b");
  EXPECT_TRUE(head.view.has_query);
  EXPECT_EQ(head.view.query, "c=d&e");
  EXPECT_EQ(head.view.host, "example.com");
  EXPECT_EQ(head.authority, "Example.COM:8080");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expects_continue);
  EXPECT_FALSE(head.upgrades);
  EXPECT_EQ(head.body.kind, Framing::Kind::length);
  EXPECT_EQ(head.body.length, 12);
  ASSERT_EQ(head.view.fields.size(), 6);
  const std::pair<const char*, const char*> fields[] = {{"Host", "Example.COM:8080"},
                                                        {"user-agent", "curl/7.88"},
                                                        {"Content-Length", "12"},
                                                        {"X-Empty", ""},
                                                        {"X-Spaces", ""},
                                                        {"X-Text", "\xc3\xa4 \ttab"}};
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(head.view.fields[i].name, fields[i].first);
    EXPECT_EQ(head.view.fields[i].value, fields[i].second);
  }
  EXPECT_EQ(head.fields.name(0), Name::host);
  EXPECT_EQ(head.fields.name(1), Name::other);
  EXPECT_EQ(head.fields.find(Name::content_length)->value, "12");
  EXPECT_EQ(head.fields.find(Name::expect), nullptr);
}

TEST(HttpRequest, ReusesAHead) {
  RequestHead head;
  ASSERT_EQ(parse_request("OPTIONS http://B/?q HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nConnection: close\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n",
                          {}, head),
            Defect::none);
  EXPECT_TRUE(head.expects_continue);
  ASSERT_EQ(parse_request("GET /x HTTP/1.0\r\n\r\n", {}, head), Defect::none);
  EXPECT_EQ(head.view.host, "");
  EXPECT_EQ(head.authority, "");
  EXPECT_FALSE(head.view.has_query);
  EXPECT_EQ(head.view.query, "");
  EXPECT_FALSE(head.expects_continue);
  EXPECT_EQ(head.body.kind, Framing::Kind::none);
  EXPECT_EQ(head.fields.size(), 0);
  EXPECT_FALSE(head.fields.has(Name::expect));
  EXPECT_FALSE(head.keep_alive);
}

TEST(HttpRequest, KnowsMethodsByTheirCase) {
  const std::pair<const char*, Method> methods[] = {{"GET", Method::get},        {"HEAD", Method::head},
                                                    {"POST", Method::post},      {"PUT", Method::put},
                                                    {"DELETE", Method::delete_}, {"OPTIONS", Method::options},
                                                    {"TRACE", Method::trace},    {"PATCH", Method::patch},
                                                    {"get", Method::other},      {"GETS", Method::other},
                                                    {"GE", Method::other},       {"PROPFIND", Method::other},
                                                    {"OPTIONSX", Method::other}, {"!#$%&'*+-.^_`|~0aZ", Method::other}};
  for (const auto& [text, method] : methods) {
    const Request request(text + " / HTTP/1.1\r\nHost: a\r\n\r\n"s);
    EXPECT_EQ(request.defect, Defect::none) << text;
    EXPECT_EQ(request.head->method, method) << text;
    EXPECT_EQ(request.head->view.method, text);
  }
}

struct RefusedRequest {
  std::string text;
  Defect defect;
};

class HttpRequestRefusal : public testing::TestWithParam<RefusedRequest> {};

TEST_P(HttpRequestRefusal, NamesItsDefect) {
  EXPECT_EQ(Request(GetParam().text).defect, GetParam().defect) << testing::PrintToString(GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(RequestLine, HttpRequestRefusal,
                         testing::Values(RefusedRequest{"\r\n", Defect::request_line},
                                         RefusedRequest{"", Defect::request_line},
                                         RefusedRequest{"\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET /\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET  HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"G\xc3T / HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / http/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / HTTP/1.x\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / HTTP/1.10\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / HTTP/11\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET / ICY/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET /HTTP/1.1\r\nHost: a\r\n\r\n", Defect::request_line},
                                         RefusedRequest{"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, Defect::request_line},
                                         RefusedRequest{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", Defect::version},
                                         RefusedRequest{"GET / HTTP/0.9\r\nHost: a\r\n\r\n", Defect::version},
                                         RefusedRequest{"GET / HTTP/1.2\r\nHost: a\r\n\r\n", Defect::version},
                                         RefusedRequest{"PRI * HTTP/2.0\r\n\r\n", Defect::version}));

INSTANTIATE_TEST_SUITE_P(Lines, HttpRequestRefusal,
                         testing::Values(RefusedRequest{"GET / HTTP/1.1\nHost: a\r\n\r\n", Defect::line_end},
                                         RefusedRequest{"GET / HTTP/1.1\r\nHost: a\n\r\n", Defect::line_end},
                                         RefusedRequest{"GET / HTTP/1.1\r\nHost: a\r\n\n", Defect::line_end},
                                         RefusedRequest{"GET / HTTP/1.1\n\n", Defect::line_end},
                                         RefusedRequest{with_fields("X: a\rb\r\n"), Defect::line_end},
                                         RefusedRequest{with_fields("X: a\r\r\n"), Defect::line_end},
                                         RefusedRequest{with_fields("X: a\nb\r\n"), Defect::line_end},
                                         RefusedRequest{"GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", Defect::line_end},
                                         RefusedRequest{"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Defect::line_end},
                                         RefusedRequest{with_fields("X: a\r\n folded\r\n"), Defect::folded},
                                         RefusedRequest{with_fields("X: a\r\n\tfolded\r\n"), Defect::folded},
                                         RefusedRequest{"GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n",
                                                        Defect::folded},
                                         RefusedRequest{with_fields("X: a\r\n \r\n"), Defect::folded}));

INSTANTIATE_TEST_SUITE_P(
    Fields, HttpRequestRefusal,
    testing::Values(RefusedRequest{with_fields(": a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X : a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X\t: a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("Content-Length : 5\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X Y: a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X(: a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X\xe4: a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X\0: a\r\n"s), Defect::field_name},
                    RefusedRequest{with_fields("X\x0b: a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields(std::string(200, 'x') + "\r\n"), Defect::field_name},
                    RefusedRequest{with_fields(std::string(200, 'x') + " : a\r\n"), Defect::field_name},
                    RefusedRequest{with_fields("X: a\0b\r\n"s), Defect::field_value},
                    RefusedRequest{with_fields("X: a\x01\r\n"), Defect::field_value},
                    RefusedRequest{with_fields("X: \x1f\r\n"), Defect::field_value},
                    RefusedRequest{with_fields("X: \x7f\r\n"), Defect::field_value},
                    RefusedRequest{with_fields("X: \x0b\r\n"), Defect::field_value}));

INSTANTIATE_TEST_SUITE_P(
    Framing, HttpRequestRefusal,
    testing::Values(
        RefusedRequest{with_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Defect::ambiguous_length},
        RefusedRequest{with_fields("transfer-encoding: x\r\ncontent-length: y\r\n"), Defect::ambiguous_length},
        RefusedRequest{with_fields("Content-Length: 5\r\nContent-Length: 6\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 5\r\ncontent-length: 5\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 5, 5\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 5,\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: \r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: +5\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: -5\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 5 5\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 0x5\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 5.0\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: \"5\"\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 9223372036854775808\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 18446744073709551621\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Content-Length: 00000000000000000005\r\n"), Defect::content_length},
        RefusedRequest{with_fields("Transfer-Encoding: identity\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: gzip\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding:\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked, gzip\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked, chunked\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                       Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
                       Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked,\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: ,chunked\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: xchunked\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: \"chunked\"\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked;q=1\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked x\r\n"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Transfer-Encoding: gzip, chunked\r\n"), Defect::transfer_coding},
        RefusedRequest{with_fields("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
                       Defect::transfer_coding},
        RefusedRequest{with_fields("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"), Defect::transfer_encoding},
        RefusedRequest{with_fields("Content-Length: 5\r\n", "CONNECT a:1 HTTP/1.1"), Defect::content_length},
        RefusedRequest{with_fields("Transfer-Encoding: chunked\r\n", "CONNECT a:1 HTTP/1.1"),
                       Defect::transfer_encoding}));

struct Framed {
  std::string lines;
  Framing::Kind kind;
  uint64_t length;
};

class HttpRequestFraming : public testing::TestWithParam<Framed> {};

TEST_P(HttpRequestFraming, SaysHowTheBodyEnds) {
  const Request request(with_fields(GetParam().lines));
  ASSERT_EQ(request.defect, Defect::none) << GetParam().lines;
  EXPECT_EQ(request.head->body.kind, GetParam().kind) << GetParam().lines;
  EXPECT_EQ(request.head->body.length, GetParam().length) << GetParam().lines;
}

INSTANTIATE_TEST_SUITE_P(
    Of, HttpRequestFraming,
    testing::Values(Framed{"", Framing::Kind::none, 0}, Framed{"Content-Length: 0\r\n", Framing::Kind::length, 0},
                    Framed{"CONTENT-LENGTH:5\r\n", Framing::Kind::length, 5},
                    Framed{"Content-Length: 005 \r\n", Framing::Kind::length, 5},
                    Framed{"Content-Length: 9223372036854775807\r\n", Framing::Kind::length, 9223372036854775807U},
                    Framed{"Transfer-Encoding: chunked\r\n", Framing::Kind::chunked, 0},
                    Framed{"transfer-encoding:\tCHUNKED \r\n", Framing::Kind::chunked, 0},
                    Framed{"X-Content-Length: 5\r\nContent_Length: 5\r\n", Framing::Kind::none, 0}));

TEST(HttpRequest, IsBoundedInBytesAndFields) {
  const Limits limits{.head = 200, .target = 50, .fields = 3};
  EXPECT_EQ(Request(with_fields("a: b\r\nc: d\r\n"), limits).defect, Defect::none);
  EXPECT_EQ(Request(with_fields("a: b\r\nc: d\r\ne: f\r\n"), limits).defect, Defect::too_many_fields);
  EXPECT_EQ(Request(with_fields("a: " + std::string(200, 'x') + "\r\n"), limits).defect, Defect::head_too_long);
  EXPECT_EQ(Request(with_fields("", "GET /" + std::string(49, 'x') + " HTTP/1.1"), limits).defect, Defect::none);
  EXPECT_EQ(Request(with_fields("", "GET /" + std::string(50, 'x') + " HTTP/1.1"), limits).defect,
            Defect::target_too_long);
  EXPECT_EQ(Request(with_fields("", "GET /" + std::string(300, 'x') + " HTTP/1.1"), limits).defect,
            Defect::target_too_long);
  EXPECT_EQ(Request("GET /" + std::string(300, 'x'), limits).defect, Defect::target_too_long) << "not ended yet";
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: " + std::string(300, 'x'), limits).defect, Defect::head_too_long);

  std::string many;
  for (int i = 0; i < 200; ++i) {
    many += "x: y\r\n";
  }
  EXPECT_EQ(Request(with_fields(many), {.fields = 1000}).defect, Defect::too_many_fields) << "the room that there is";
  EXPECT_EQ(Request(with_fields("x: " + std::string(64 << 10, 'y') + "\r\n"), {.head = 1 << 20}).defect,
            Defect::head_too_long);
}

TEST(HttpRequest, IsReadAtAnyLength) {
  // Every place of the last field and of its end in the vectors that are looked at.
  for (size_t length = 0; length < 200; ++length) {
    const Request request(with_fields("X: " + std::string(length, 'v') + "\r\n", "GET / HTTP/1.1"));
    ASSERT_EQ(request.defect, Defect::none) << length;
    ASSERT_EQ(request.head->fields[1].value.size(), length);
    ASSERT_EQ(Request(with_fields("X: " + std::string(length, 'v') + "\x01\r\n")).defect, Defect::field_value)
        << length;
    ASSERT_EQ(Request(with_fields("X: " + std::string(length, 'v') + "\n\r\n")).defect, Defect::line_end) << length;
    ASSERT_EQ(Request(with_fields("X: " + std::string(length, 'v') + "\r \r\n")).defect, Defect::line_end) << length;
    const std::string name = std::string(length + 1, 'n');
    ASSERT_EQ(Request(with_fields(name + ": v\r\n")).head->fields[1].name, name);
    ASSERT_EQ(Request(with_fields(name + " : v\r\n")).defect, Defect::field_name) << length;
  }
}

}  // namespace
}  // namespace weft::http
