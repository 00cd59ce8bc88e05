// SPDX-License-Identifier: Apache-2.0
/// @file The registry's cache on disk: what is written is read again, and whatever else is there is refused.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstring>
#include <random>

#include "registry-sync/cache_writer.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CachedText cached(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

CacheContents some_contents() {
  CacheContents contents{.source = "etcd http://10.0.0.1:2379", .revision = 4711};
  contents.saved = std::chrono::system_clock::time_point(milliseconds(1'700'000'000'123));
  contents.documents["/weft/v1/resources/Service/default/web"] = cached(R"({"kind": "Service"})");
  contents.documents["/weft/v1/endpoints/default/web/a"] = cached(std::string("\0\xff", 2));
  contents.documents["/weft/v1/endpoints/default/web/b"] = cached("");
  return contents;
}

std::string all_of(const CacheContents& contents) {
  std::string text = contents.source + " " + std::to_string(contents.revision) + " " +
                     std::to_string(contents.saved.time_since_epoch() / milliseconds(1)) + "\n";
  for (const auto& [key, document] : contents.documents) {
    text += key + "=" + *document + "\n";
  }
  return text;
}

/// The error, or "" if it is taken.
std::string refusal(std::string_view bytes) {
  const auto contents = decode_cache(bytes);
  return contents ? "" : contents.error();
}

template <typename Number>
std::string as_bytes(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// A file with a right checksum, whatever is in it.
std::string sealed(const std::string& body, uint32_t version = kCacheVersion) {
  return "WEFTREG\n" + as_bytes(version) + as_bytes(uint32_t{0}) + as_bytes(uint64_t{body.size()}) +
         as_bytes(uint64_t{XXH3_64bits(body.data(), body.size())}) + body;
}

std::string document(const std::string& key, const std::string& text) {
  return as_bytes(static_cast<uint32_t>(key.size())) + as_bytes(static_cast<uint32_t>(text.size())) + key + text;
}

std::string described(uint64_t count, int64_t time = 0) {
  return as_bytes(uint32_t{1}) + "s" + as_bytes(int64_t{1}) + as_bytes(time) + as_bytes(count);
}

TEST(Cache, ReadsWhatWasWritten) {
  EXPECT_EQ(all_of(decode_cache(encode_cache(some_contents())).value()), all_of(some_contents()));
  EXPECT_EQ(all_of(decode_cache(encode_cache({})).value()), all_of({}));
}

TEST(Cache, EveryChangedByteIsRefused) {
  const std::string good = encode_cache(some_contents());
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      EXPECT_NE(refusal(bad), "") << "byte " << at;
    }
  }
}

TEST(Cache, EveryCutAndEveryAdditionIsRefused) {
  const std::string good = encode_cache(some_contents());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(refusal(good.substr(0, length)), "") << length << " bytes";
  }
  EXPECT_NE(refusal(good + '\0'), "");
  EXPECT_NE(refusal(good + good), "");
}

TEST(Cache, ForeignAndOtherVersionsAreNamed) {
  EXPECT_EQ(refusal("apiVersion: v1\n"), "is no registry cache of weft's");
  EXPECT_EQ(refusal(sealed(described(0), 0)), "is of version 0, and this weft reads version 1");
  EXPECT_EQ(refusal(sealed(described(0), 2)), "is of version 2, and this weft reads version 1");
  EXPECT_EQ(refusal(sealed(described(0))), "");
}

TEST(Cache, ASealedFileIsBoundedToo) {
  EXPECT_EQ(refusal(sealed("")), "is damaged: its description does not fit");
  EXPECT_EQ(refusal(sealed(as_bytes(UINT32_MAX))), "is damaged: its description does not fit");
  EXPECT_EQ(refusal(sealed(described(UINT64_MAX))), "is damaged: document 1 of 18446744073709551615 does not fit");
  EXPECT_EQ(refusal(sealed(described(0, -1))), "is damaged: its time is none");
  EXPECT_EQ(refusal(sealed(described(0, INT64_MAX))), "is damaged: its time is none");
  EXPECT_EQ(refusal(sealed(described(1) + document("a", "x") + "?")), "is damaged: 1 bytes after its last document");
  EXPECT_EQ(refusal(sealed(described(2) + document("b", "") + document("a", ""))),
            "is damaged: its documents are in no order");
  EXPECT_EQ(refusal(sealed(described(2) + document("a", "") + document("a", ""))),
            "is damaged: its documents are in no order");
  EXPECT_EQ(refusal(sealed(described(1) + as_bytes(UINT32_MAX) + as_bytes(UINT32_MAX))),
            "is damaged: document 1 of 1 does not fit");
  EXPECT_NE(refusal(sealed(described(1) + document(std::string(kMaxCacheKey + 1, 'k'), ""))), "");
}

TEST(Cache, RandomBytesBehindARightSealAreRefusedOrWhole) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string body = described(random() % 4) + document("a", "x") + document("b", "yy");
    for (uint64_t edits = random() % 4; edits > 0; --edits) {
      body[random() % body.size()] = static_cast<char>(random() % 8);
    }
    body.resize(random() % 3 == 0 ? random() % body.size() : body.size());
    if (const auto contents = decode_cache(sealed(body))) {
      EXPECT_EQ(encode_cache(*contents), sealed(body)) << "what is taken is what would be written";
    }
  }
}

struct CacheFile : ::testing::Test {
  TempFolder folder;
  std::filesystem::path path = folder.base() / "deep" / "er" / "registry.cache";
};

TEST_F(CacheFile, IsThereWholeOrNotAtAll) {
  EXPECT_EQ(read_cache(path).value(), std::nullopt);
  ASSERT_TRUE(write_cache(path, encode_cache(some_contents())));
  EXPECT_EQ(all_of(read_cache(path).value().value()), all_of(some_contents()));
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U) << "nobody else reads or writes it";
  // What a crash left behind is in nobody's way.
  std::ofstream(path.native() + ".new") << "half";
  ASSERT_TRUE(write_cache(path, encode_cache({})));
  EXPECT_EQ(all_of(read_cache(path).value().value()), all_of({}));
  EXPECT_FALSE(std::filesystem::exists(path.native() + ".new"));
}

TEST_F(CacheFile, SaysWhatIsWrongWithIt) {
  std::filesystem::create_directories(path);
  EXPECT_EQ(read_cache(path).error(), "\"" + path.native() + "\" is no file");
  EXPECT_THAT(write_cache(path, "x").error(), HasSubstr("can't rename to \"" + path.native() + "\": "));
  EXPECT_FALSE(std::filesystem::exists(path.native() + ".new"));
  std::ofstream(folder.at("other")) << "something else";
  EXPECT_EQ(read_cache(folder.at("other")).error(), "\"" + folder.at("other") + "\" is no registry cache of weft's");
  EXPECT_THAT(write_cache(std::filesystem::path(folder.at("other")) / "x", "x").error(), HasSubstr("can't create"));
}

TEST_F(CacheFile, IsReadIfNobodyElseMayWriteIt) {
  ASSERT_TRUE(write_cache(path, encode_cache(some_contents())));
  const std::filesystem::path link = folder.base() / "link";
  std::filesystem::create_symlink(path, link);
  EXPECT_THAT(read_cache(link).error(), HasSubstr("can't read"));
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(read_cache(path));
  for (const mode_t mode : {0620, 0602}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_THAT(read_cache(path).error(), HasSubstr("may be written by others"));
  }
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
    EXPECT_THAT(read_cache(path).error(), HasSubstr("may be written by others"));
  }
}

TEST_F(CacheFile, IsWrittenOnceAPauseAndAtTheEnd) {
  CacheWriter::State last;
  {
    CacheWriter writer({.path = path, .source = "test", .pause = std::chrono::hours(1)});
    writer.replace({{"a", cached("1")}, {"b", cached("2")}}, 1);
    while (writer.state().writes == 0) {
      std::this_thread::yield();
    }
    EXPECT_EQ(all_of(*read_cache(path).value()).substr(0, 7), "test 1 ");
    for (int64_t revision = 2; revision <= 1000; ++revision) {
      writer.change({{"a", nullptr}, {"c", cached(std::to_string(revision))}}, revision);
    }
    EXPECT_EQ(writer.state().writes, 1U) << "the pause lasts";
  }
  const CacheContents contents = read_cache(path).value().value();
  EXPECT_EQ(contents.revision, 1000);
  std::vector<std::string> found;
  for (const auto& [key, text] : contents.documents) {
    found.push_back(key + "=" + *text);
  }
  EXPECT_THAT(found, ElementsAre("b=2", "c=1000"));
}

TEST_F(CacheFile, AWriteThatFailsIsSaidAndTriedAgain) {
  std::filesystem::create_directories(path);  // in the way
  CacheWriter writer({.path = path, .source = "test", .pause = milliseconds(1)});
  writer.replace({{"a", cached("1")}}, 1);
  while (writer.state().failures == 0) {
    std::this_thread::yield();
  }
  EXPECT_THAT(writer.state().last_error, HasSubstr(path.native()));
  std::filesystem::remove(path);
  while (writer.state().writes == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(writer.state().last_error, "");
  EXPECT_EQ(read_cache(path).value()->documents.size(), 1U);
}

TEST_F(CacheFile, ADiskThatFailsIsAskedLessAndLess) {
  std::filesystem::create_directories(path);  // in the way
  const auto begun = std::chrono::steady_clock::now();
  CacheWriter writer({.path = path, .source = "test", .pause = milliseconds(10)});
  writer.replace({{"a", cached("1")}}, 1);
  while (writer.state().failures < 5) {
    std::this_thread::yield();
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(20 + 40 + 80 + 120));
}

}  // namespace
}  // namespace weft::registry
