// SPDX-License-Identifier: Apache-2.0
/// @file What a worker shares with the threads that watch it. Run under ThreadSanitizer too.
#include "runtime/published.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "runtime/books.h"

namespace weft::runtime {
namespace {

TEST(Published, IsZeroBeforeItsFirstPublication) {
  const Published<Books> books;
  EXPECT_EQ(books.read().received, 0U);
  EXPECT_TRUE(books.read().balanced());
}

TEST(Published, GivesBackWhatWasPublished) {
  Published<Books> published;
  Books books;
  books.received = 7;
  books.verdicts[static_cast<size_t>(l4::Verdict::not_ours)] = 7;
  books.epoch = 3;
  published.publish(books);
  EXPECT_EQ(std::memcmp(&books, &static_cast<const Books&>(published.read()), sizeof books), 0);
  books.epoch = 4;
  published.publish(books);
  EXPECT_EQ(published.read().epoch, 4U);
}

/// The writer's books always balance and only grow, so a reader's must.
TEST(Published, IsReadWholeWhileItIsWritten) {
  Published<Books> published;
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      uint64_t last = 0;
      while (!stop.load()) {
        const Books books = published.read();
        EXPECT_TRUE(books.balanced());
        EXPECT_EQ(books.epoch, books.received);
        EXPECT_GE(books.received, last);
        last = books.received;
        ++reads;
      }
    });
  }
  Books books;
  for (uint64_t turn = 0; turn < 20'000 || reads < 1000; ++turn) {
    ++books.received;
    ++books.verdicts[turn % l4::kVerdicts];
    books.epoch = books.received;
    published.publish(books);
  }
  stop = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
}

TEST(Books, SumByOutcome) {
  Books books;
  books.received = l4::kVerdicts;
  books.verdicts.fill(1);
  EXPECT_TRUE(books.balanced());
  const auto transmitted = static_cast<uint64_t>(l4::Verdict::delivered);  // those before it
  EXPECT_EQ(books.sum(l4::Outcome::transmitted), transmitted);
  EXPECT_EQ(books.sum(l4::Outcome::delivered), 2U);  // to TCP, and to who asks other name servers
  EXPECT_EQ(books.sum(l4::Outcome::passed), 1U);
  EXPECT_EQ(books.sum(l4::Outcome::handed_over), 1U);
  EXPECT_EQ(books.sum(l4::Outcome::dropped), l4::kVerdicts - transmitted - 4);
  ++books.received;
  EXPECT_FALSE(books.balanced());
}

}  // namespace
}  // namespace weft::runtime
