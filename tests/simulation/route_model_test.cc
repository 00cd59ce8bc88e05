// SPDX-License-Identifier: Apache-2.0
/// @file Random tables of routes and random requests: RouteTable finds what the linear reference does, whatever the
/// table before it was. WEFT_SEED runs one seed alone.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <sstream>

#include "lb/http_path.h"
#include "lb/route_scratch.h"
#include "lb/route_table.h"
#include "route_reference.h"

namespace weft::lb {
namespace {

class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}

  size_t below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(engine_); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <typename T>
  const T& of(const std::vector<T>& values) {
    return values[below(values.size())];
  }

 private:
  std::mt19937_64 engine_;
};

// Few and alike, so that much matches and much nearly does.
const std::vector<std::string> kHosts = {"a.b.c", "b.c", "c", "x.a.b.c", "y.b.c", "d"};
const std::vector<std::string> kRouteHosts = {"a.b.c", "b.c", "*.b.c", "*.c", "*.a.b.c", "y.b.c", "A.b.C"};
const std::vector<std::string> kSegments = {"a",  "ab", "abc", "v1", "v2", "longer-than-eight", "longer-than-eighty",
                                            "~u", ""};
const std::vector<std::string> kPathExpressions = {"/a/.*",     "/(a|ab)/v[0-9]", ".*",      "/[^/]*",  "/a(/.*)?",
                                                   "/.*/v[12]", "/ab?c?/?",       "(/a)+/?", "/v1|/v2", "/%7E.*"};
const std::vector<std::string> kNames = {"x", "X-Long-Header-Name", "y", "cookie"};
const std::vector<std::string> kRequestNames = {"X", "x", "x-long-header-name", "y", "Y", "z", "Cookie", "other"};
const std::vector<std::string> kValues = {"1", "2", "1, 2", "a b", "", "1; 2", "é"};
const std::vector<std::string> kValueExpressions = {"1.*", ".*", "[0-9]*", "(a|b) ?b?", "2"};
const std::vector<std::string> kParameters = {"x", "y", "a b", "q"};
const std::vector<std::string> kMethods = {"GET", "POST", "PROPPATCH"};

std::string path(Chance& chance, bool in_request) {
  std::string path;
  const size_t count = chance.below(5);
  for (size_t i = 0; i < count; ++i) {
    const std::string& segment = chance.of(kSegments);
    path += "/" + (segment.empty() && !in_request ? "a" : segment);
  }
  return path.empty() || chance.one_in(4) ? path + "/" : path;
}

ValueMatch value_match(Chance& chance, const std::vector<std::string>& names) {
  if (chance.one_in(3)) {
    return {.name = chance.of(names), .type = MatchType::regular_expression, .value = chance.of(kValueExpressions)};
  }
  return {.name = chance.of(names), .value = chance.of(kValues)};
}

HttpMatch match(Chance& chance) {
  HttpMatch match{.path = {.value = path(chance, false)}};
  if (chance.one_in(3)) {
    match.path.type = MatchType::exact;
  } else if (chance.one_in(3)) {
    match.path = {.type = MatchType::regular_expression, .value = chance.of(kPathExpressions)};
  } else if (chance.one_in(8)) {
    match.path.value = "/%7Eu";
  }
  while (chance.one_in(3)) {
    match.headers.push_back(value_match(chance, kNames));
  }
  while (chance.one_in(4)) {
    match.query.push_back(value_match(chance, kParameters));
  }
  if (chance.one_in(4)) {
    match.method = chance.of(kMethods);
  }
  return match;
}

std::vector<HttpRoute> routes(Chance& chance) {
  std::vector<HttpRoute> routes(1 + chance.below(chance.one_in(4) ? 60 : 8));
  for (size_t i = 0; i < routes.size(); ++i) {
    HttpRoute& route = routes[i];
    route.key = "n" + std::to_string(chance.below(3)) + "/r" + std::to_string(i);
    route.created = static_cast<int64_t>(chance.below(3));
    std::set<std::string> names;
    while (chance.one_in(2)) {
      names.insert(chance.of(kRouteHosts));
    }
    names.erase("A.b.C");
    route.hostnames.assign(names.begin(), names.end());
    const size_t rules = 1 + chance.below(3);
    for (size_t rule = 0; rule < rules; ++rule) {
      MatchedRule made{
          .rule = std::make_shared<HttpRule>(HttpRule{.route = route.key, .number = static_cast<uint32_t>(rule)})};
      do {
        made.matches.push_back(match(chance));
      } while (chance.one_in(3));
      route.rules.push_back(std::move(made));
    }
  }
  return routes;
}

struct Request {
  std::string host;
  std::string method;
  std::string path;
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<HttpField> fields;

  explicit Request(Chance& chance) : method(chance.of(kMethods)) {
    host = chance.one_in(8) ? "" : chance.of(kHosts);
    path = chance.one_in(20) ? "*" : weft::lb::path(chance, true);
    while (chance.one_in(2)) {
      static const std::vector<std::string> kEncoded = {"x", "%78", "y", "a+b", "a%20b", "q", "", "zz", "%", "%4"};
      static const std::vector<std::string> kEncodedValues = {"=1",   "=2",        "",     "=",   "=a+b",
                                                              "=%31", "=1%2C%202", "=1=2", "=%zz"};
      query += (query.empty() && !chance.one_in(5) ? "" : "&") + chance.of(kEncoded) + chance.of(kEncodedValues);
    }
    while (!chance.one_in(3)) {
      headers.emplace_back(chance.of(kRequestNames), chance.of(kValues));
    }
    for (const auto& [name, value] : headers) {
      fields.push_back({.name = name, .value = value});
    }
  }
  HttpRequest view() const {
    return {
        .method = method, .host = host, .path = path, .query = query, .has_query = !query.empty(), .fields = fields};
  }
  std::string to_string() const {
    std::ostringstream out;
    out << method << " http://" << host << path << "?" << query;
    for (const auto& [name, value] : headers) {
      out << " [" << name << ": " << value << "]";
    }
    return out.str();
  }
};

/// By what a rule is, as tables move and copy.
std::optional<ReferenceMatch> found_by(const RouteTable& table, const HttpRequest& request,
                                       RouteTable::Scratch& scratch) {
  const RouteTable::Match found = table.find(request, scratch);
  if (found.rule == nullptr) {
    return std::nullopt;
  }
  for (const HttpRoute& route : table.routes()) {
    for (size_t rule = 0; rule < route.rules.size(); ++rule) {
      const std::vector<HttpMatch>& matches = route.rules[rule].matches;
      if (route.rules[rule].rule.get() == found.rule) {
        return ReferenceMatch{
            .route = route.key, .rule = rule, .match = static_cast<size_t>(found.match - matches.data())};
      }
    }
  }
  return ReferenceMatch{.route = "none of the table's"};
}

void run(uint64_t seed, size_t& matched) {
  SCOPED_TRACE("WEFT_SEED=" + std::to_string(seed));
  Chance chance(seed);
  RouteTable::Scratch scratch;
  std::unique_ptr<RouteTable> before;
  for (int tables = 0; tables < 3; ++tables) {
    const std::vector<HttpRoute> all = routes(chance);
    auto table = std::make_unique<RouteTable>(all, before.get());
    scratch.prepare(*table);
    ASSERT_TRUE(scratch.fits(*table));
    for (int i = 0; i < 100; ++i) {
      const Request request(chance);
      const auto expected = find_by_reference(all, request.view());
      const auto found = found_by(*table, request.view(), scratch);
      matched += expected ? 1 : 0;
      ASSERT_EQ(found.has_value(), expected.has_value()) << request.to_string();
      ASSERT_TRUE(found == expected) << request.to_string() << "\nfound " << found->route << " " << found->rule << "/"
                                     << found->match << ", expected " << expected->route << " " << expected->rule << "/"
                                     << expected->match;
    }
    before = std::move(table);
  }
}

TEST(RouteModel, IsTheReference) {
  size_t matched = 0;
  if (const char* seed = std::getenv("WEFT_SEED")) {
    run(std::stoull(seed), matched);
    return;
  }
  constexpr uint64_t kSeeds = 150;
  for (uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFatalFailure(); ++seed) {
    run(seed, matched);
  }
  // Else the requests would say little.
  EXPECT_GT(matched, kSeeds * 300 / 3);
  EXPECT_LT(matched, kSeeds * 300 * 49 / 50);
}

}  // namespace
}  // namespace weft::lb
