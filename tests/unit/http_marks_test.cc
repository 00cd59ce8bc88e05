// SPDX-License-Identifier: Apache-2.0
/// @file What an application expects to hear of its client, and what a client can't make it believe.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using testing::MatchesRegex;

class HttpMarked : public HttpProxied {
 protected:
  explicit HttpMarked(HttpConfig http = {}) : HttpProxied(http) {}

  std::string endpoint_gets(std::string_view fields) { return exchange_once(request("/a", fields)).endpoint; }
};

constexpr const char* kUuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
constexpr const char* kTrace = "00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]";

struct MarkRow {
  const char* what;
  std::string_view came;
  const char* field;
  std::string value;    ///< that the endpoint gets, as a regular expression
  std::string at_edge;  ///< and behind a Gateway
};

TEST_F(HttpMarked, WhoAskedWhat) {
  const std::vector<MarkRow> rows = {
      {"a client", "", "x-forwarded-for", "10.1.0.1", "10.1.0.1"},
      {"behind another", "X-Forwarded-For: 192.0.2.1\r\n", "x-forwarded-for", "192.0.2.1, 10.1.0.1",
       "192.0.2.1, 10.1.0.1"},
      {"behind several", "x-forwarded-for: a\r\nX-Other: 1\r\nX-Forwarded-For: b, c\r\n", "x-forwarded-for",
       "a, b, c, 10.1.0.1", "a, b, c, 10.1.0.1"},
      {"an empty one", "X-Forwarded-For:\r\n", "x-forwarded-for", "10.1.0.1", "10.1.0.1"},
      {"the scheme", "", "x-forwarded-proto", "http", "http"},
      {"the scheme before", "X-Forwarded-Proto: https\r\n", "x-forwarded-proto", "https", "http"},
      {"the host", "", "x-forwarded-host", "web", "web"},
      {"the host before", "X-Forwarded-Host: shop\r\n", "x-forwarded-host", "shop", "web"},
      {"a name", "", "x-request-id", kUuid, kUuid},
      {"its own name", "X-Request-Id: mine\r\n", "x-request-id", "mine", kUuid},
      {"a trace", "", "traceparent", kTrace, kTrace},
      {"its own trace", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n",
       "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
      {"its state", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n",
       "tracestate", "a=b", "a=b"},
      {"no trace", "traceparent: garbage\r\n", "traceparent", kTrace, kTrace},
      {"a trace of zeros", "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n", "traceparent",
       kTrace, kTrace},
      {"a trace in capitals", "traceparent: 00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", "traceparent",
       kTrace, kTrace},
      {"a trace that is longer", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x\r\n",
       "traceparent", kTrace, kTrace},
      {"a trace of later times", "traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x\r\n",
       "traceparent", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
       "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"},
      {"the state of no trace", "traceparent: garbage\r\nTraceState: a=b\r\n", "tracestate", "-", "-"},
      {"no via", "", "via", "-", "-"},
      {"a via before", "Via: 1.1 other\r\n", "via", "1.1 other", "1.1 other"},
      {"the host stays", "", "host", "web", "web"},
  };
  for (const bool at_edge : {false, true}) {
    mesh.publish({http_service("default/web", 1, {1}, {.protocol = lb::AppProtocol::http, .at_edge = at_edge})});
    for (const MarkRow& row : rows) {
      EXPECT_THAT(value_of(endpoint_gets(row.came), row.field), MatchesRegex(at_edge ? row.at_edge : row.value))
          << row.what << at_edge;
    }
  }
}

/// What a rule sets is all there is of it, and what it removes is not there.
TEST_F(HttpMarked, ARuleHasTheLastWord) {
  for (const std::string_view came :
       {"",
        "X-Forwarded-For: a\r\nX-Forwarded-Proto: a\r\nX-Forwarded-Host: a\r\nX-Request-Id: a\r\ntraceparent: a\r\n"}) {
    for (const char* name :
         {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "traceparent"}) {
      route(lb::HttpRule{.filters = {.request = {.set = {{name, "rule"}}}}, .backends = {backend(2)}});
      EXPECT_EQ(value_of(endpoint_gets(came), name), "rule");
      route(lb::HttpRule{.filters = {.request = {.remove = {name}}}, .backends = {backend(2)}});
      EXPECT_EQ(value_of(endpoint_gets(came), name), "-");
    }
  }
  route(lb::HttpRule{.filters = {.request = {.add = {{"x-forwarded-for", "rule"}}}}, .backends = {backend(2)}});
  EXPECT_EQ(value_of(endpoint_gets(""), "x-forwarded-for"), "10.1.0.1, rule");
}

TEST_F(HttpMarked, TheRecordHasTheNameThatTheEndpointGets) {
  for (const std::string_view came : {"", "X-Request-Id: mine\r\n"}) {
    const std::string name = value_of(endpoint_gets(came), "x-request-id");
    EXPECT_EQ(mesh.records.back().request_id.view(), name);
  }
}

TEST_F(HttpMarked, NamesAndTracesAreTheirOwn) {
  std::set<std::string> names;
  std::set<std::string> traces;
  for (int i = 0; i < 100; ++i) {
    const std::string text = endpoint_gets("");
    names.insert(value_of(text, "x-request-id"));
    traces.insert(value_of(text, "traceparent").substr(3, 49));
  }
  EXPECT_EQ(names.size(), 100U);
  EXPECT_EQ(traces.size(), 100U);
}

class HttpMarkedVia : public HttpMarked {
 protected:
  HttpMarkedVia() : HttpMarked({.marks = {.via = "weft-1", .sampled_per_million = 250'000}}) {}
};

TEST_F(HttpMarkedVia, ItNamesItselfWhereItIsToldTo) {
  const Told told = exchange_once(request("/a", "Via: 1.0 other\r\n"), response(200, "Via: 1.1 theirs\r\n"));
  EXPECT_EQ(value_of(told.endpoint, "via"), "1.0 other, 1.1 weft-1");
  EXPECT_EQ(value_of(told.client, "via"), "1.1 theirs, 1.1 weft-1");
  EXPECT_EQ(value_of(exchange_once("GET /a HTTP/1.0\r\nHost: web\r\n\r\n").endpoint, "via"), "1.0 weft-1");
}

TEST_F(HttpMarkedVia, SomeTracesAreRecorded) {
  int recorded = 0;
  for (int i = 0; i < 400; ++i) {
    recorded += value_of(endpoint_gets(""), "traceparent").ends_with("-01") ? 1 : 0;
  }
  EXPECT_NEAR(recorded, 100, 41);  // 4.7 standard deviations
}

}  // namespace
}  // namespace weft::proxy
