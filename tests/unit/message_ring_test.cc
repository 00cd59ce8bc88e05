// SPDX-License-Identifier: Apache-2.0
#include "dns/message_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <thread>

namespace weft::dns {
namespace {

std::span<const std::byte> bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
std::string text(std::span<const std::byte> message) {
  return {reinterpret_cast<const char*>(message.data()), message.size()};
}

TEST(MessageRing, RefusesWhatHasNoRoomAndKeepsTheRest) {
  MessageRing ring(64);
  EXPECT_TRUE(ring.front().empty());
  EXPECT_FALSE(ring.put(bytes(std::string(25, 'x')), {})) << "more than half";
  EXPECT_TRUE(ring.put(bytes("head"), bytes("tail")));
  EXPECT_TRUE(ring.put(bytes(std::string(24, 'y')), {}));
  EXPECT_TRUE(ring.put(bytes("z"), {}));
  EXPECT_FALSE(ring.put(bytes("z"), {})) << "64 are 16, 32 and 16";
  EXPECT_EQ(text(ring.front()), "headtail");
  ring.pop();
  EXPECT_EQ(text(ring.front()), std::string(24, 'y'));
  ring.pop();
  EXPECT_EQ(text(ring.front()), "z");
  ring.pop();
  EXPECT_TRUE(ring.front().empty());
}

TEST(MessageRing, IsWhatAQueueIs) {
  std::mt19937 random(3);
  MessageRing ring(512);
  std::deque<std::string> model;
  size_t refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (random() % 2 == 0) {
      const std::string message(random() % 100 + 1, static_cast<char>('a' + random() % 26));
      if (ring.put(bytes(message).first(message.size() / 2), bytes(message).subspan(message.size() / 2))) {
        model.push_back(message);
      } else {
        ++refused;
        ASSERT_GT(model.size(), 0U) << "an empty one takes anything that is not too long";
      }
    } else if (model.empty()) {
      ASSERT_TRUE(ring.front().empty());
    } else {
      ASSERT_EQ(text(ring.front()), model.front());
      ring.pop();
      model.pop_front();
    }
  }
  EXPECT_GT(refused, 0U);
}

TEST(MessageRing, WhatItTakesAtAllItTakesWhereverItStands) {
  const std::string longest(512 - 8, 'x');
  MessageRing full(1024);
  EXPECT_FALSE(full.put(bytes(longest + "x"), {})) << "with its length it has more than half";
  for (int before = 0; before < 64; ++before) {
    MessageRing ring(1024);
    for (int i = 0; i < before; ++i) {
      ASSERT_TRUE(ring.put(bytes("x"), {}));
      ring.front();
      ring.pop();
    }
    ASSERT_TRUE(ring.put(bytes(longest), {})) << before;
    EXPECT_EQ(text(ring.front()), longest);
  }
}

TEST(MessageRing, TakesFromOneThreadWhatAnotherPuts) {
  constexpr int kMessages = 20'000;
  MessageRing ring(1 << 14);
  std::thread producer([&] {
    for (int i = 0; i < kMessages;) {
      const std::string message = std::to_string(i) + std::string(static_cast<size_t>(i % 200), '.');
      if (ring.put(bytes(message), {})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  int wrong = 0;
  for (int i = 0; i < kMessages;) {
    if (const auto message = ring.front(); !message.empty()) {
      wrong += text(message) == std::to_string(i) + std::string(static_cast<size_t>(i % 200), '.') ? 0 : 1;
      ring.pop();
      ++i;
    } else {
      std::this_thread::yield();
    }
  }
  producer.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace weft::dns
