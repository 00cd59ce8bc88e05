// SPDX-License-Identifier: Apache-2.0
/// @file Gateway API's filters as they come out at the wire: what the endpoint gets of a request, and the client of a
/// response. How paths, locations and CORS' values are made is http_rewrite_test's and http_cors_test's.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::HeaderEdits;
using lb::HttpFilters;
using lb::HttpRule;
using testing::StartsWith;

class HttpFiltered : public HttpProxied {};

struct EditRow {
  const char* what;
  HeaderEdits rule;
  HeaderEdits backend;
  std::string_view came;
  std::string_view goes_on;  ///< behind Host, or the status line
};

const std::vector<EditRow>& edit_rows() {
  static const std::vector<EditRow> rows = {
      {"none", {}, {}, "X-A: 1\r\nx-b: 2\r\n", "X-A: 1\r\nx-b: 2\r\n"},
      {"set replaces all of the name, in any case",
       {.set = {{"x-a", "new"}}},
       {},
       "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n",
       "X-B: 2\r\nx-a: new\r\n"},
      {"set makes what is not there", {.set = {{"x-a", "new"}}}, {}, "X-B: 2\r\n", "X-B: 2\r\nx-a: new\r\n"},
      {"add leaves what is there", {.add = {{"x-a", "new"}}}, {}, "X-A: 1\r\n", "X-A: 1\r\nx-a: new\r\n"},
      {"add makes what is not there", {.add = {{"x-a", "new"}}}, {}, "", "x-a: new\r\n"},
      {"remove takes all of the name", {.remove = {"x-a"}}, {}, "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n", "X-B: 2\r\n"},
      {"remove of what is not there", {.remove = {"x-a"}}, {}, "X-B: 2\r\n", "X-B: 2\r\n"},
      {"all three",
       {.set = {{"x-s", "s"}}, .add = {{"x-d", "d"}}, .remove = {"x-r"}},
       {},
       "X-R: 1\r\nX-S: 1\r\nX-D: 1\r\nX-O: 1\r\n",
       "X-D: 1\r\nX-O: 1\r\nx-s: s\r\nx-d: d\r\n"},
      {"several, in their order",
       {.set = {{"x-b", "2"}, {"x-a", "1"}}, .add = {{"x-d", "4"}, {"x-c", "3"}}},
       {},
       "",
       "x-b: 2\r\nx-a: 1\r\nx-d: 4\r\nx-c: 3\r\n"},
      {"an empty value", {.set = {{"x-a", ""}}}, {}, "X-A: 1\r\n", "x-a: \r\n"},
      {"the backend's come after the rule's: its set wins",
       {.set = {{"x-a", "rule"}}},
       {.set = {{"X-A", "backend"}}},
       "x-a: 1\r\n",
       "X-A: backend\r\n"},
      {"its add adds to the rule's set",
       {.set = {{"x-a", "rule"}}},
       {.add = {{"x-a", "backend"}}},
       "x-a: 1\r\n",
       "x-a: rule\r\nx-a: backend\r\n"},
      {"its set replaces the rule's add",
       {.add = {{"x-a", "rule"}}},
       {.set = {{"x-a", "backend"}}},
       "x-a: 1\r\n",
       "x-a: backend\r\n"},
      {"its remove takes the rule's set and add",
       {.set = {{"x-a", "rule"}}, .add = {{"x-b", "rule"}}},
       {.remove = {"x-a", "x-b"}},
       "x-a: 1\r\nx-b: 1\r\n",
       ""},
      {"its set makes what the rule removed",
       {.remove = {"x-a"}},
       {.set = {{"x-a", "backend"}}},
       "x-a: 1\r\n",
       "x-a: backend\r\n"},
  };
  return rows;
}

TEST_F(HttpFiltered, RequestHeadersAreModified) {
  const auto client = mesh.connect();
  for (const EditRow& row : edit_rows()) {
    route(HttpRule{.filters = {.request = row.rule}, .backends = {backend(2, 1, {.request = row.backend})}});
    const Told told = exchange(client, request("/a", row.came));
    EXPECT_EQ(unmarked(told.endpoint), "GET /a HTTP/1.1\r\nhost: web\r\n" + std::string(row.goes_on) + "\r\n")
        << row.what;
    EXPECT_EQ(told.client, kOkHeard) << row.what;
  }
}

TEST_F(HttpFiltered, ResponseHeadersAreModified) {
  const auto client = mesh.connect();
  for (const EditRow& row : edit_rows()) {
    route(HttpRule{.filters = {.response = row.rule}, .backends = {backend(2, 1, {.response = row.backend})}});
    const Told told = exchange(client, kGet, response(200, row.came));
    EXPECT_EQ(told.client,
              "HTTP/1.1 200 Said\r\nDate: today\r\n" + std::string(row.goes_on) + "content-length: 0\r\n\r\n")
        << row.what;
  }
}

TEST_F(HttpFiltered, WhatGatewayApiAllowsForFits) {
  const std::string value(4096, 'v');  // HTTPHeader.value
  for (const bool of_request : {true, false}) {
    HttpFilters filters;
    (of_request ? filters.request : filters.response).set = {{"x-long", value}, {"x-other", value}};
    route(HttpRule{.filters = filters, .backends = {backend(2)}});
    const Told told = exchange_once(kGet);
    EXPECT_EQ(value_of(of_request ? told.endpoint : told.client, "x-long"), value) << of_request;
    EXPECT_EQ(value_of(of_request ? told.endpoint : told.client, "x-other"), value) << of_request;
    EXPECT_THAT(told.client, StartsWith("HTTP/1.1 200 ")) << of_request;
  }
}

TEST_F(HttpFiltered, WeftsOwnAnswersAreModifiedToo) {
  route(HttpRule{.filters = {.response = {.set = {{"x-by", "rule"}}}, .redirect = lb::Redirect{}}});
  EXPECT_EQ(value_of(exchange_once(kGet).client, "x-by"), "rule");
}

struct RedirectRow {
  lb::Redirect redirect;
  const char* status_line;
  const char* location;
};

TEST_F(HttpFiltered, RequestsAreRedirected) {
  const lb::PathEdit full{lb::PathEdit::Kind::full, "/one"};
  const lb::PathEdit prefix{lb::PathEdit::Kind::prefix, "/xyz"};
  const std::vector<RedirectRow> rows = {
      {{}, "302 Found", "http://web/foo/bar?q=1"},
      {{.status = 301}, "301 Moved Permanently", "http://web/foo/bar?q=1"},
      {{.status = 303}, "303 See Other", "http://web/foo/bar?q=1"},
      {{.status = 307}, "307 Temporary Redirect", "http://web/foo/bar?q=1"},
      {{.status = 308}, "308 Permanent Redirect", "http://web/foo/bar?q=1"},
      {{.scheme = "https"}, "302 Found", "https://web/foo/bar?q=1"},
      {{.host = "other"}, "302 Found", "http://other/foo/bar?q=1"},
      {{.port = 8080}, "302 Found", "http://web:8080/foo/bar?q=1"},
      {{.port = 80}, "302 Found", "http://web/foo/bar?q=1"},
      {{.scheme = "https", .port = 443}, "302 Found", "https://web/foo/bar?q=1"},
      {{.scheme = "https", .port = 80}, "302 Found", "https://web:80/foo/bar?q=1"},
      {{.path = full}, "302 Found", "http://web/one?q=1"},
      {{.path = prefix}, "302 Found", "http://web/xyz/bar?q=1"},
      {{.scheme = "https", .host = "other", .path = prefix, .port = 8443, .status = 301},
       "301 Moved Permanently",
       "https://other:8443/xyz/bar?q=1"},
  };
  const auto client = mesh.connect();
  for (const RedirectRow& row : rows) {
    route({{"/foo", HttpRule{.filters = {.redirect = row.redirect}}}});
    const Told told = exchange(client, request("/foo/bar?q=1"));
    EXPECT_EQ(first_line(told.client), std::string("HTTP/1.1 ") + row.status_line);
    EXPECT_EQ(value_of(told.client, "location"), row.location);
    EXPECT_EQ(value_of(told.client, "server"), "weft");
    EXPECT_EQ(value_of(told.client, "content-length"), "0");
    EXPECT_TRUE(told.endpoint.empty());
    EXPECT_EQ(flags_of_last(), "-");
    EXPECT_TRUE(mesh.records.back().local);
  }
}

TEST_F(HttpFiltered, ARedirectReadsTheBodyThatItDoesNotNeed) {
  route(HttpRule{.filters = {.redirect = lb::Redirect{}}});
  const auto client = mesh.connect();
  EXPECT_THAT(exchange(client, post("/a", "hello")).client, StartsWith("HTTP/1.1 302 "));
  EXPECT_THAT(exchange(client, kGet).client, StartsWith("HTTP/1.1 302 "));  // not "hello", and on the same connection
  // Of a body that has not come yet, the end is not waited for.
  const Told told = exchange(client, "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 500\r\n\r\nhel");
  EXPECT_EQ(value_of(told.client, "connection"), "close");
  EXPECT_TRUE(mesh.told(client) & tcp::event::peer_closed);
}

struct RewriteRow {
  const char* under;
  lb::Rewrite rewrite;
  const char* target;
  const char* line;
  const char* host;
};

TEST_F(HttpFiltered, RequestsAreRewritten) {
  using Kind = lb::PathEdit::Kind;
  const std::vector<RewriteRow> rows = {
      {"/", {.host = "inner"}, "/a?q=1", "GET /a?q=1 HTTP/1.1", "inner"},
      {"/", {.path = {Kind::full, "/one"}}, "/a/b?q=1", "GET /one?q=1 HTTP/1.1", "web"},
      {"/foo", {.path = {Kind::prefix, "/xyz"}}, "/foo/bar?q=%2F", "GET /xyz/bar?q=%2F HTTP/1.1", "web"},
      {"/foo", {.path = {Kind::prefix, "/xyz/"}}, "/foo/bar", "GET /xyz/bar HTTP/1.1", "web"},
      {"/foo/", {.path = {Kind::prefix, "/xyz"}}, "/foo", "GET /xyz HTTP/1.1", "web"},
      {"/foo", {.path = {Kind::prefix, "/xyz"}}, "/foo/", "GET /xyz/ HTTP/1.1", "web"},
      {"/foo", {.path = {Kind::prefix, "/"}}, "/foo/bar", "GET /bar HTTP/1.1", "web"},
      {"/foo", {.path = {Kind::prefix, "/"}}, "/foo", "GET / HTTP/1.1", "web"},
      {"/foo", {.host = "inner", .path = {Kind::prefix, "/"}}, "/foo?", "GET /? HTTP/1.1", "inner"},
  };
  const auto client = mesh.connect();
  for (const RewriteRow& row : rows) {
    for (const bool by_backend : {false, true}) {
      HttpFilters filters{.rewrite = row.rewrite};
      route({{row.under, by_backend ? HttpRule{.backends = {backend(2, 1, filters)}}
                                    : HttpRule{.filters = filters, .backends = {backend(2)}}}});
      const Told told = exchange(client, request(row.target));
      EXPECT_EQ(first_line(told.endpoint), row.line) << row.target << by_backend;
      EXPECT_EQ(value_of(told.endpoint, "host"), row.host) << row.target;
      EXPECT_EQ(value_of(told.endpoint, "x-forwarded-host"), "web") << row.target;
    }
  }
}

TEST_F(HttpFiltered, ABackendsRewriteTakesThePlaceOfTheRules) {
  route(HttpRule{.filters = {.rewrite = lb::Rewrite{.host = "rule"}},
                 .backends = {backend(2, 1, {.rewrite = lb::Rewrite{.host = "backend"}})}});
  EXPECT_EQ(value_of(exchange_once(kGet).endpoint, "host"), "backend");
}

struct CorsRow {
  const char* what;
  const char* method;
  std::string_view asked;
  const char* status_line;
  const char* allow_origin;  ///< "-": there is none
  const char* credentials;
  const char* methods;
  const char* vary;
  bool reaches_endpoint;
};

TEST_F(HttpFiltered, CorsIsAnswered) {
  const lb::Cors cors{.origins = {"https://a.example", "https://*.b.example"},
                      .methods = {"GET", "PUT"},
                      .headers = {"x-h"},
                      .exposed = {"x-e"},
                      .credentials = true,
                      .max_age = std::chrono::seconds(60)};
  const std::vector<CorsRow> rows = {
      {"a preflight", "OPTIONS", "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n",
       "204 No Content", "https://a.example", "true", "GET, PUT", "origin", false},
      {"a preflight by wildcard", "OPTIONS", "Origin: https://x.b.example\r\nAccess-Control-Request-Method: PUT\r\n",
       "204 No Content", "https://x.b.example", "true", "GET, PUT", "origin", false},
      {"a preflight from elsewhere", "OPTIONS",
       "Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n", "204 No Content", "-", "-", "-",
       "origin", false},
      {"OPTIONS that is none", "OPTIONS", "Origin: https://a.example\r\n", "200 Said", "https://a.example", "true", "-",
       "origin", true},
      {"a simple request", "GET", "Origin: https://a.example\r\n", "200 Said", "https://a.example", "true", "-",
       "origin", true},
      {"a simple request from elsewhere", "GET", "Origin: https://evil.example\r\n", "200 Said", "-", "-", "-",
       "origin", true},
      {"no origin", "GET", "", "200 Said", "-", "-", "-", "origin", true},
  };
  route(HttpRule{.filters = {.cors = cors}, .backends = {backend(2)}});
  const auto client = mesh.connect();
  for (const CorsRow& row : rows) {
    // What an endpoint says of it itself does not get around the rule.
    const Told told =
        exchange(client, request("/a", row.asked, row.method),
                 response(200, "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n"));
    EXPECT_EQ(first_line(told.client), std::string("HTTP/1.1 ") + row.status_line) << row.what;
    EXPECT_EQ(value_of(told.client, "access-control-allow-origin"), row.allow_origin) << row.what;
    EXPECT_EQ(value_of(told.client, "access-control-allow-credentials"), row.credentials) << row.what;
    EXPECT_EQ(value_of(told.client, "access-control-allow-methods"), row.methods) << row.what;
    EXPECT_EQ(value_of(told.client, "vary"), row.vary) << row.what;
    EXPECT_EQ(!told.endpoint.empty(), row.reaches_endpoint) << row.what;
  }
  const Told preflight =
      exchange(client, request("/a", "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n", "OPTIONS"));
  EXPECT_EQ(value_of(preflight.client, "access-control-max-age"), "60");
  EXPECT_EQ(value_of(preflight.client, "content-length"), "-");  // RFC 9110, section 8.6
  EXPECT_EQ(value_of(exchange(client, request("/a", "Origin: https://a.example\r\n")).client,
                     "access-control-expose-headers"),
            "x-e");
}

/// Texts of one request take no room from the next, however many are served in a turn.
TEST_F(HttpFiltered, PreflightsInOneSegmentAreAnsweredAlike) {
  lb::Cors cors{.origins = {"https://a.example"}, .methods = {"PUT"}};
  for (int i = 0; i < 20; ++i) {
    cors.headers.push_back("x-header-of-some-length-" + std::to_string(i));
  }
  route(HttpRule{.filters = {.cors = cors}, .backends = {backend(2)}});
  std::string asked;
  for (int i = 0; i < 8; ++i) {
    asked += request("/a", "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n", "OPTIONS");
  }
  ASSERT_LE(asked.size(), 1400U);
  const auto client = mesh.connect();
  mesh.say(client, asked);
  std::string answers = mesh.hear_client(client);
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(value_of(answers, "access-control-allow-headers"), testing::HasSubstr("length-19")) << i;
    answers.erase(0, answers.find("\r\n\r\n") + 4);
  }
}

TEST_F(HttpFiltered, RequestsThatWaitedForOthersAreServedAlike) {
  std::vector<tcp::ConnectionId> clients;
  const std::string path = "/" + std::string(1300, 'x');
  for (int i = 0; i < 40; ++i) {
    clients.push_back(mesh.connect());
    mesh.say(clients.back(), std::string(kGet) + request(path));
  }
  auto heard = mesh.heard();
  ASSERT_EQ(heard.size(), 40U);
  for (const auto& each : heard) {  // all in one turn
    mesh.outside.engine.write(each.id, mesh.outside.slice_of(kOk));
  }
  mesh.settle();
  heard = mesh.heard();
  EXPECT_EQ(heard.size(), 40U);
  for (const auto client : clients) {
    EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  }
}

class HttpLongTargets : public HttpProxied {
 protected:
  HttpLongTargets() : HttpProxied({.limits = {.head = 32 << 10, .target = 16 << 10}}) {}
};

TEST_F(HttpLongTargets, GoOnBesideOtherTexts) {
  route(HttpRule{.filters = {.cors = lb::Cors{.origins = {"https://a.example"}}}, .backends = {backend(2)}});
  const std::string path = "/" + std::string((16 << 10) - 1, 'x');
  const Told told = exchange_once(request(path, "Origin: https://a.example\r\n"));
  EXPECT_EQ(first_line(told.endpoint), "GET " + path + " HTTP/1.1");
  EXPECT_EQ(value_of(told.client, "access-control-allow-origin"), "https://a.example");
}

TEST_F(HttpFiltered, RedirectsSayWhoMayReadThem) {
  route(HttpRule{.filters = {.redirect = lb::Redirect{.host = "b.example"},
                             .cors = lb::Cors{.origins = {"https://a.example"}, .exposed = {"x-e"}}}});
  const Told told = exchange_once(request("/a", "Origin: https://a.example\r\n"));
  EXPECT_EQ(first_line(told.client), "HTTP/1.1 302 Found");
  EXPECT_EQ(value_of(told.client, "location"), "http://b.example/a");
  EXPECT_EQ(value_of(told.client, "access-control-allow-origin"), "https://a.example");
  EXPECT_EQ(value_of(told.client, "access-control-expose-headers"), "x-e");
}

}  // namespace
}  // namespace weft::proxy
