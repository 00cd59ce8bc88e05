// SPDX-License-Identifier: Apache-2.0
#include "lb/http_path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft::lb {
namespace {

std::string normalized(std::string_view path, Slashes slashes = Slashes::keep) {
  std::string buffer(path.size(), '#');
  const auto result = normalize_path(path, buffer, slashes);
  return result ? std::string(*result) : "refused";
}

TEST(HttpPath, HasOneSpelling) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      // What is normal stays.
      {"/", "/"},
      {"/a/b.c", "/a/b.c"},
      {"/a//b/", "/a//b/"},
      {"/...", "/..."},
      {"/.well-known/x", "/.well-known/x"},
      {"/a;b=c/d", "/a;b=c/d"},
      {"*", "*"},
      {"", ""},
      // RFC 3986, section 6.2.2.1 and 6.2.2.2.
      {"/%7euser/%41%2d%2E%5f", "/~user/A-._"},
      {"/caf%c3%a9", "/caf%C3%A9"},
      {"/a%2fb", "/a%2Fb"},
      {"/%20%25", "/%20%25"},
      // Section 5.2.4.
      {"/admin/../public", "/public"},
      {"/a/b/c/./../../g", "/a/g"},
      {"/a/..", "/"},
      {"/a/.", "/a/"},
      {"/a/b/..", "/a/"},
      {"/..", "/"},
      {"/../../a", "/a"},
      {"/./a", "/a"},
      {"/a//../b", "/a/b"},
      // Both at once.
      {"/admin/%2e%2E/public", "/public"},
      {"/a/%2e/b", "/a/b"},
      {"/a/.%2e", "/"},
      {"/%2e%2e%2e", "/..."},
      // Not twice: what comes of it is the endpoint's to read as text.
      {"/%252e%252e/a", "/%252e%252e/a"},
      // Refused.
      {"/%", "refused"},
      {"/%2", "refused"},
      {"/%2g", "refused"},
      {"/%00", "refused"},
      {"a", "refused"},
      {"**", "refused"},
      {"/public/..%2fadmin", "refused"},
      {"/public/%2e%2e%2Fadmin", "refused"},
      {"/public%2f../admin", "refused"},
      {"/public/..\\admin", "refused"},
      {"/public%5c..%5cadmin", "refused"},
      {"/public\\..\\admin", "refused"},
      {"/public/..;/admin", "refused"},
      {"/public/..;a=b/admin", "refused"},
      {"/public/%2e%2e;/admin", "refused"},
      {"/public/.;/admin", "refused"},
      // What only looks like it.
      {"/public/a%2fb..", "/public/a%2Fb.."},
      {"/a\\b", "/a\\b"},
      {"/a;../b", "/a;../b"},
      {"/%41;../b", "/A;../b"},
  };
  for (const auto& [path, expected] : rows) {
    EXPECT_EQ(normalized(path), expected) << path;
  }
}

TEST(HttpPath, MergesSlashesWhereAsked) {
  EXPECT_EQ(normalized("//a///b//", Slashes::merge), "/a/b/");
  EXPECT_EQ(normalized("/a//../b", Slashes::merge), "/b");
  EXPECT_EQ(normalized("//", Slashes::merge), "/");
  EXPECT_EQ(normalized("/a/b", Slashes::merge), "/a/b");
}

TEST(HttpPath, OfTheNormalFormIsItself) {
  // All paths of up to six of these parts: whatever comes out comes out again, and no part of it goes up.
  const std::vector<std::string> parts = {"/", ".", "a", "%2e", "%2f", ";"};
  for (size_t number = 0; number < 6 * 6 * 6 * 6 * 6 * 6; ++number) {
    std::string path = "/";
    for (size_t rest = number; rest > 0; rest /= 6) {
      path += parts[rest % 6];
    }
    for (const Slashes slashes : {Slashes::keep, Slashes::merge}) {
      const std::string once = normalized(path, slashes);
      if (once != "refused") {
        ASSERT_EQ(normalized(once, slashes), once) << path;
        ASSERT_EQ((once + "/").find("/../"), std::string::npos) << path;
        ASSERT_LE(once.size(), path.size());
      }
    }
  }
}

TEST(HttpPath, WantsABufferOfItsLength) {
  std::string buffer(3, '#');
  EXPECT_FALSE(normalize_path("/a/.", buffer));
  const std::string_view normal = "/longer";
  EXPECT_EQ(normalize_path(normal, buffer)->data(), normal.data());
}

}  // namespace
}  // namespace weft::lb
