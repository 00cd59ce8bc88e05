// SPDX-License-Identifier: Apache-2.0
#include "lb/http_rewrite.h"

#include <gtest/gtest.h>

#include <array>

namespace weft::lb {
namespace {

HttpMatch under(std::string prefix) {
  return {.path = {.type = MatchType::prefix, .value = std::move(prefix)}};
}
PathEdit to_full(std::string value) {
  return {.kind = PathEdit::Kind::full, .value = std::move(value)};
}
PathEdit to_prefix(std::string value) {
  return {.kind = PathEdit::Kind::prefix, .value = std::move(value)};
}

/// A request for this path, as URLRewrite would have it.
std::optional<std::string_view> rewritten_path(const PathEdit& edit, const HttpMatch& match, std::string_view path,
                                               std::span<char> buffer) {
  return rewritten_target({.path = edit}, match, {.path = path}, buffer);
}

struct PathRow {
  const char* path;
  const char* prefix;
  const char* replacement;
  const char* expected;
};

TEST(HttpRewrite, ReplacesAPrefix) {
  const std::vector<PathRow> rows = {
      // The table of HTTPPathModifier's ReplacePrefixMatch.
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
      {"/foo", "/foo", "/xyz", "/xyz"},
      {"/foo/", "/foo", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "", "/bar"},
      {"/foo/", "/foo", "", "/"},
      {"/foo", "/foo", "", "/"},
      {"/foo/", "/foo", "/", "/"},
      {"/foo", "/foo", "/", "/"},
      // And beyond it.
      {"/foo/bar", "/", "/xyz", "/xyz/foo/bar"},
      {"/", "/", "/xyz", "/xyz/"},
      {"/", "/", "/", "/"},
      {"/foo", "/", "", "/foo"},
      {"/foo/bar/baz", "/foo/bar", "/a/b/c", "/a/b/c/baz"},
      {"/foo/bar", "/foo", "xyz", "/xyz/bar"},
      {"/foo//bar", "/foo", "/", "//bar"},
      {"*", "/", "/xyz", "*"},
      {"", "/", "/xyz", ""},
  };
  for (const PathRow& row : rows) {
    std::array<char, 64> buffer{};
    EXPECT_EQ(rewritten_path(to_prefix(row.replacement), under(row.prefix), row.path, buffer), row.expected)
        << row.path << " " << row.prefix << " " << row.replacement;
  }
}

TEST(HttpRewrite, ReplacesTheWholePath) {
  std::array<char, 64> buffer{};
  EXPECT_EQ(rewritten_path(to_full("/one"), under("/"), "/a/b", buffer), "/one");
  EXPECT_EQ(rewritten_path(to_full("one/"), under("/"), "/a/b", buffer), "/one/");
  EXPECT_EQ(rewritten_path(to_full(""), under("/"), "/a/b", buffer), "/");
  EXPECT_EQ(rewritten_path({}, under("/"), "/a/b", buffer), "/a/b");
  EXPECT_EQ(rewritten_path(to_full("/one"), under("/"), "*", buffer), "*");
}

TEST(HttpRewrite, AMatchWithoutAPrefixHasNoneToReplace) {
  std::array<char, 64> buffer{};
  const HttpMatch exact{.path = {.type = MatchType::exact, .value = "/a"}};
  EXPECT_EQ(rewritten_path(to_prefix("/xyz"), exact, "/a", buffer), "/a");
}

TEST(HttpRewrite, TheQueryStays) {
  std::array<char, 64> buffer{};
  const HttpRequest request{.path = "/foo/bar", .query = "a=/foo", .has_query = true};
  EXPECT_EQ(rewritten_target({.path = to_prefix("/x")}, under("/foo"), request, buffer), "/x/bar?a=/foo");
  EXPECT_EQ(rewritten_target({.path = to_full("/")}, under("/foo"), request, buffer), "/?a=/foo");
  EXPECT_EQ(rewritten_target({}, under("/foo"), {.path = "/foo", .has_query = true}, buffer), "/foo?");
}

TEST(HttpRewrite, TooSmallABufferGetsNothing) {
  std::array<char, 8> buffer{};
  EXPECT_EQ(rewritten_path(to_full("/1234567"), under("/"), "/a", buffer), "/1234567");
  EXPECT_FALSE(rewritten_path(to_full("/12345678"), under("/"), "/a", buffer));
  EXPECT_FALSE(redirect_location({}, under("/"), {.host = "a", .path = "/"}, {}, buffer));
}

struct RedirectRow {
  Redirect redirect;
  Listener listener;
  const char* expected;
};

TEST(HttpRedirect, LocationsFollowTheSpecification) {
  const HttpRequest request{.host = "example.com", .path = "/foo/bar", .query = "a=b", .has_query = true};
  const std::vector<RedirectRow> rows = {
      // No scheme: the listener's port, which is not written if it is the scheme's own.
      {{}, {"http", 80}, "http://example.com/foo/bar?a=b"},
      {{}, {"http", 8080}, "http://example.com:8080/foo/bar?a=b"},
      {{}, {"https", 443}, "https://example.com/foo/bar?a=b"},
      {{}, {"https", 80}, "https://example.com:80/foo/bar?a=b"},
      {{}, {"http", 443}, "http://example.com:443/foo/bar?a=b"},
      // A scheme: its own port, whatever the listener's.
      {{.scheme = "https"}, {"http", 8080}, "https://example.com/foo/bar?a=b"},
      {{.scheme = "http"}, {"http", 8080}, "http://example.com/foo/bar?a=b"},
      {{.scheme = "http"}, {"https", 443}, "http://example.com/foo/bar?a=b"},
      {{.scheme = "ws"}, {"http", 8080}, "ws://example.com:8080/foo/bar?a=b"},
      // A port: that.
      {{.port = 8443}, {"http", 80}, "http://example.com:8443/foo/bar?a=b"},
      {{.scheme = "https", .port = 443}, {"http", 80}, "https://example.com/foo/bar?a=b"},
      {{.scheme = "https", .port = 80}, {"http", 80}, "https://example.com:80/foo/bar?a=b"},
      {{.port = 80}, {"http", 8080}, "http://example.com/foo/bar?a=b"},
      // Host and path.
      {{.host = "example.org"}, {"http", 80}, "http://example.org/foo/bar?a=b"},
      {{.path = to_full("/one")}, {"http", 80}, "http://example.com/one?a=b"},
      {{.path = to_prefix("/xyz/")}, {"http", 80}, "http://example.com/xyz/bar?a=b"},
      {{.path = to_prefix("/")}, {"http", 80}, "http://example.com/bar?a=b"},
      {{.scheme = "https", .host = "example.org", .path = to_prefix(""), .port = 8443},
       {"http", 80},
       "https://example.org:8443/bar?a=b"},
  };
  for (const RedirectRow& row : rows) {
    std::array<char, 128> buffer{};
    EXPECT_EQ(redirect_location(row.redirect, under("/foo"), request, row.listener, buffer), row.expected);
  }
}

TEST(HttpRedirect, WithoutAHostItIsAPath) {
  std::array<char, 128> buffer{};
  EXPECT_EQ(redirect_location({}, under("/"), {.path = "/foo"}, {}, buffer), "/foo");
  EXPECT_EQ(redirect_location({.host = "a"}, under("/"), {.path = "/foo"}, {}, buffer), "http://a/foo");
  // "//evil.example" would be another host.
  EXPECT_EQ(redirect_location({}, under("/"), {.path = "//evil.example"}, {}, buffer), "/.//evil.example");
  EXPECT_EQ(redirect_location({.path = to_prefix("")}, under("/foo"), {.path = "/foo//evil.example"}, {}, buffer),
            "/.//evil.example");
}

TEST(HttpRedirect, OfTheServerItselfGoesToTheRoot) {
  std::array<char, 128> buffer{};
  EXPECT_EQ(redirect_location({.scheme = "https"}, under("/"), {.host = "a", .path = "*"}, {}, buffer), "https://a/");
}

}  // namespace
}  // namespace weft::lb
