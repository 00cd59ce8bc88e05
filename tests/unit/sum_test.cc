// SPDX-License-Identifier: Apache-2.0
#include "packet/sum.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>

#include "packet_builder.h"

namespace weft::packet {
namespace {

using test::Bytes;

/// Bytes that begin `shift` behind a boundary of 64, in a buffer that ends with them: sanitizers see one byte beyond.
class Exact {
 public:
  Exact(std::span<const std::byte> bytes, size_t shift)
      : buffer_(static_cast<std::byte*>(operator new(shift + bytes.size(), kBoundary))),
        bytes_(buffer_.get() + shift, bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  static constexpr std::align_val_t kBoundary{64};
  struct Delete {
    void operator()(std::byte* buffer) const { operator delete(buffer, kBoundary); }
  };
  std::unique_ptr<std::byte, Delete> buffer_;
  std::span<std::byte> bytes_;
};

struct Content {
  std::string name;
  std::function<uint8_t()> next;
};

class Sum : public testing::TestWithParam<Content> {
 protected:
  Bytes bytes(size_t length) const {
    Bytes bytes(length);
    for (std::byte& byte : bytes) {
      byte = std::byte{GetParam().next()};
    }
    return bytes;
  }
};

/// By the naive sum, byte by byte.
uint16_t reference(std::span<const std::byte> bytes) {
  return swap16(static_cast<uint16_t>(~test::reference_checksum(bytes)));
}

TEST_P(Sum, IsTheReferencesForAnyLengthAndAlignment) {
  const Bytes all = bytes(2100);
  for (size_t length = 0; length <= all.size(); ++length) {
    const auto content = std::span(all).last(length);
    const uint16_t expected = reference(content);
    ASSERT_EQ(fold(sum_of(content)), expected) << length;
    for (size_t shift = 0; shift < 64; ++shift) {
      const Exact exact(content, shift);
      ASSERT_EQ(fold(sum_of_payload(exact.bytes())), expected) << length << " bytes, " << shift << " off";
    }
  }
}

TEST_P(Sum, LosesNoCarryOfTheLongestPackets) {
  const Bytes all = bytes(65536 + 3);
  for (size_t length = 65536 - 130; length <= all.size(); ++length) {
    const Exact exact({all.data(), length}, length % 64);
    ASSERT_EQ(fold(sum_of_payload(exact.bytes())), reference(exact.bytes())) << length;
  }
}

TEST_P(Sum, GoesOnFromASum) {
  const Bytes all = bytes(1500);
  for (const size_t first : {0U, 20U, 40U, 64U, 1000U, 1460U}) {
    const auto payload = std::span(all).subspan(first);
    EXPECT_EQ(fold(sum_of_payload(payload, sum_of_payload(std::span(all).first(first)))), reference(all)) << first;
  }
}

TEST_P(Sum, IsOfEveryTwoPartsThatOfTheWhole) {
  const Bytes all = bytes(1461);
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    const uint16_t head = fold(sum_of_payload(std::span(all).first(cut)));
    const uint16_t tail = fold(sum_of_payload(std::span(all).subspan(cut)));
    ASSERT_EQ(sum_of_both(head, cut, tail), reference(all)) << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Sum,
    testing::Values(Content{"random", [random = std::mt19937(1)]() mutable { return static_cast<uint8_t>(random()); }},
                    Content{"ones", [] { return uint8_t{0xff}; }}, Content{"zeros", [] { return uint8_t{0}; }}),
    [](const auto& of) { return of.param.name; });

TEST(SumOfPayload, SeesAChangeOfAnyBit) {
  Bytes bytes(200, std::byte{0x5a});
  const uint16_t before = fold(sum_of_payload(bytes));
  for (std::byte& byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      byte ^= std::byte{1} << bit;
      EXPECT_NE(fold(sum_of_payload(bytes)), before);
      byte ^= std::byte{1} << bit;
    }
  }
}

}  // namespace
}  // namespace weft::packet
