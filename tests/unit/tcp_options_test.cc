// SPDX-License-Identifier: Apache-2.0
#include "tcp/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weft::tcp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> made;
  for (const int value : values) {
    made.push_back(static_cast<std::byte>(value));
  }
  return made;
}

Options decode(std::initializer_list<int> values) {
  return decode_options(bytes(values));
}

std::vector<int> encode(const Options& options) {
  std::array<std::byte, kMaxOptions> room;
  room.fill(std::byte{0xee});
  const uint8_t size = encode_options(options, room);
  std::vector<int> written;
  for (size_t i = 0; i < size; ++i) {
    written.push_back(static_cast<int>(room[i]));
  }
  return written;
}

std::vector<Block> blocks(const Options& options) {
  return {options.blocks.begin(), options.blocks.begin() + options.block_count};
}

TEST(TcpOptions, NoneIsNone) {
  const Options none = decode({});
  EXPECT_FALSE(none.mss || none.window_shift || none.timestamps || none.sack_permitted);
  EXPECT_EQ(none.block_count, 0);
  EXPECT_THAT(encode({}), IsEmpty());
}

TEST(TcpOptions, ReadsEach) {
  EXPECT_EQ(decode({2, 4, 0x05, 0xb4}).mss, 1460);
  EXPECT_EQ(decode({3, 3, 7}).window_shift, 7);
  EXPECT_TRUE(decode({4, 2}).sack_permitted);
  EXPECT_EQ(decode({8, 10, 1, 2, 3, 4, 5, 6, 7, 8}).timestamps, (Timestamps{0x01020304, 0x05060708}));
  EXPECT_THAT(blocks(decode({5, 10, 0, 0, 0, 1, 0xff, 0, 0, 2})), ElementsAre(Block{Seq(1), Seq(0xff000002)}));
}

TEST(TcpOptions, ReadsThemInAnyOrderAndPlace) {
  const Options read = decode({1, 1, 1, 4, 2, 1, 3, 3, 2, 253, 5, 9, 9, 9, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 2, 4, 2, 0});
  EXPECT_TRUE(read.sack_permitted);
  EXPECT_EQ(read.window_shift, 2);
  EXPECT_EQ(read.timestamps, (Timestamps{1, 2}));
  EXPECT_EQ(read.mss, 512);
}

TEST(TcpOptions, StopsAtTheEnd) {
  EXPECT_FALSE(decode({0, 2, 4, 5, 0xb4}).mss);
}

TEST(TcpOptions, ClampsWhatIsHostile) {
  EXPECT_EQ(decode({2, 4, 0, 0}).mss, kMinMss);
  EXPECT_EQ(decode({2, 4, 0, kMinMss - 1}).mss, kMinMss);
  EXPECT_EQ(decode({2, 4, 0, kMinMss}).mss, kMinMss);
  EXPECT_EQ(decode({2, 4, 0xff, 0xff}).mss, 0xffff);
  EXPECT_EQ(decode({3, 3, 14}).window_shift, 14);
  EXPECT_EQ(decode({3, 3, 15}).window_shift, 14) << "RFC 7323, section 2.3";
  EXPECT_EQ(decode({3, 3, 255}).window_shift, 14);
}

TEST(TcpOptions, PassesOverALengthThatIsNotTheOptionsOwn) {
  const Options read =
      decode({2, 3, 5, 3, 4, 1, 1, 4, 3, 0, 8, 9, 1, 2, 3, 4, 5, 6, 7, 5, 9, 0, 0, 0, 0, 0, 0, 0, 2, 4, 1, 0});
  EXPECT_FALSE(read.window_shift || read.timestamps || read.sack_permitted);
  EXPECT_EQ(read.block_count, 0);
  EXPECT_EQ(read.mss, 256) << "what is behind them counts";
}

TEST(TcpOptions, EndsAtALengthThatCantBe) {
  EXPECT_FALSE(decode({254, 0, 2, 4, 1, 0}).mss) << "would go on for ever";
  EXPECT_FALSE(decode({254, 1, 2, 4, 1, 0}).mss);
  EXPECT_FALSE(decode({2, 4, 1}).mss) << "cut off";
  EXPECT_FALSE(decode({1, 1, 1, 2}).mss) << "no length";
  EXPECT_FALSE(decode({8, 10, 1, 2, 3, 4, 5, 6, 7}).timestamps);
}

TEST(TcpOptions, ReadsFourBlocksAndNoMore) {
  std::vector<std::byte> four = bytes({5, 34});
  four.resize(34);
  EXPECT_EQ(decode_options(four).block_count, 4);
  EXPECT_EQ(decode({5, 2}).block_count, 0);
  EXPECT_EQ(decode({5, 14, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}).block_count, 0) << "a block and a half";
}

TEST(TcpOptions, WritesASynAsOthersDo) {
  EXPECT_THAT(encode({.timestamps = Timestamps{0x01020304, 0}, .mss = 1460, .window_shift = 7, .sack_permitted = true}),
              ElementsAre(2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7));
  EXPECT_THAT(encode({.mss = 536}), ElementsAre(2, 4, 0x02, 0x18));
  EXPECT_THAT(encode({.sack_permitted = true}), ElementsAre(1, 1, 4, 2));
}

TEST(TcpOptions, WritesTimestampsForHeaderPrediction) {
  const std::vector<int> alone = encode({.timestamps = Timestamps{1, 2}});
  EXPECT_THAT(alone, ElementsAre(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2));
  EXPECT_EQ(alone.size(), kTimestampBytes);
}

TEST(TcpOptions, LeavesOutBlocksThatDoNotFit) {
  Options options{.timestamps = Timestamps{1, 2}, .block_count = 4};
  for (uint32_t i = 0; i < 4; ++i) {
    options.blocks[i] = {Seq(100 * i), Seq(100 * i + 50)};
  }
  EXPECT_EQ(encode(options).size(), kMaxOptions) << "three, beside timestamps (RFC 2018, section 3)";
  options.timestamps.reset();
  EXPECT_EQ(encode(options).size(), 36U) << "all four";
}

TEST(TcpOptions, AlwaysWriteWholeWordsThatReadTheSame) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    const uint32_t which = random();
    Options options;
    if ((which & 1) != 0) {
      options.timestamps = Timestamps{static_cast<uint32_t>(random()), static_cast<uint32_t>(random())};
    }
    if ((which & 2) != 0) {  // of a SYN
      options.mss = static_cast<uint16_t>(kMinMss + random() % 60'000);
      options.sack_permitted = (which & 4) != 0;
      if ((which & 8) != 0) {
        options.window_shift = static_cast<uint8_t>(random() % 15);
      }
    } else {
      options.block_count = static_cast<uint8_t>(random() % (options.timestamps ? 4 : 5));
      for (size_t i = 0; i < options.block_count; ++i) {
        options.blocks[i] = {Seq(static_cast<uint32_t>(random())), Seq(static_cast<uint32_t>(random()))};
      }
    }
    std::array<std::byte, kMaxOptions> room;
    const uint8_t size = encode_options(options, room);
    ASSERT_EQ(size % 4, 0);
    const Options read = decode_options(std::span(room).first(size));
    ASSERT_EQ(read.timestamps, options.timestamps);
    ASSERT_EQ(read.mss, options.mss);
    ASSERT_EQ(read.window_shift, options.window_shift);
    ASSERT_EQ(read.sack_permitted, options.sack_permitted);
    ASSERT_EQ(blocks(read), blocks(options));
  }
}

TEST(TcpOptions, AnyBytesAreReadWithinTheirEnd) {
  std::mt19937 random(11);
  for (int round = 0; round < 50'000; ++round) {
    std::vector<std::byte> any(random() % (kMaxOptions + 1));  // of its own, so that a sanitizer sees what is read
    for (std::byte& byte : any) {
      byte = static_cast<std::byte>(random() % (random() % 2 == 0 ? 12 : 256));
    }
    const Options read = decode_options(any);
    ASSERT_LE(read.block_count, 4);
    ASSERT_GE(read.mss.value_or(kMinMss), kMinMss);
    ASSERT_LE(read.window_shift.value_or(0), kMaxWindowShift);
  }
}

TEST(TcpOptions, TimestampsAloneAreOneLayout) {
  Timestamps read;
  EXPECT_TRUE(decode_timestamps_alone(bytes({1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}), read));
  EXPECT_EQ(read, (Timestamps{1, 2}));
  EXPECT_FALSE(decode_timestamps_alone(bytes({8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1}), read));
  EXPECT_FALSE(decode_timestamps_alone(bytes({1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 1, 1}), read));
  EXPECT_FALSE(decode_timestamps_alone(bytes({1, 1, 8, 10, 0, 0, 0, 1}), read));
  EXPECT_FALSE(decode_timestamps_alone({}, read));
}

}  // namespace
}  // namespace weft::tcp
