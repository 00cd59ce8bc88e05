// SPDX-License-Identifier: Apache-2.0
/// @file The loader's pins, and what it says when it can't load.
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "bpf/loader.h"

namespace weft::bpf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kPins = "/sys/fs/bpf/weft-test";

/// Empty if there is none.
std::string error_of(const tl::expected<std::unique_ptr<Loader>, std::string>& result) {
  return result ? std::string() : result.error();
}

TEST(Loader, OneWeftdAPinFolder) {
  auto first = Loader::load(kPins);
  ASSERT_TRUE(first) << first.error();
  EXPECT_THAT(error_of(Loader::load(kPins)), AllOf(HasSubstr("another weftd"), HasSubstr(kPins), HasSubstr("stop it")));
  EXPECT_TRUE((*first)->unpin());
}

TEST(Loader, AFullMapSaysSo) {
  auto loader = Loader::load(kPins);
  ASSERT_TRUE(loader) << loader.error();
  tl::expected<void, std::string> done;
  for (uint32_t i = 0; done && i <= 4 * WEFT_MAX_PODS; ++i) {
    done = (*loader)->pods().set({.words = {0, 0, 0, i}}, {});
  }
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error(), HasSubstr("`pods` is full"));
  EXPECT_TRUE((*loader)->unpin());
}

TEST(Loader, UnpinLeavesNothing) {
  auto loader = Loader::load(kPins);
  ASSERT_TRUE(loader) << loader.error();
  EXPECT_TRUE(std::filesystem::exists(std::string(kPins) + "/v2/vips"));
  EXPECT_TRUE((*loader)->unpin());
  EXPECT_FALSE(std::filesystem::exists(kPins));
}

TEST(Loader, SaysHowToMountTheFileSystem) {
  EXPECT_THAT(error_of(Loader::load("/run/netns/weft")), HasSubstr("mount -t bpf bpf /sys/fs/bpf"));
  EXPECT_FALSE(std::filesystem::exists("/run/netns/weft"));
  EXPECT_THAT(error_of(Loader::load("weft")), HasSubstr("absolute"));
}

TEST(Loader, SaysThatItNeedsRoot) {
  ASSERT_EQ(seteuid(65534), 0);
  const auto refused = Loader::load(kPins);
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("run weftd as root"));
}

TEST(Loader, RefusesPinsOfAnotherLayout) {
  const std::string version = std::string(kPins) + "/v2";
  std::filesystem::create_directories(version);
  const int other = bpf_map_create(BPF_MAP_TYPE_HASH, "vips", 4, 8, 10, nullptr);
  ASSERT_EQ(bpf_obj_pin(other, (version + "/vips").c_str()), 0);
  EXPECT_THAT(error_of(Loader::load(kPins)), AllOf(HasSubstr(version + "/vips"), HasSubstr("rm -r")));
  close(other);
  std::filesystem::remove_all(kPins);
}

}  // namespace
}  // namespace weft::bpf
