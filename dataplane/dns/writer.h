// SPDX-License-Identifier: Apache-2.0
/// @file Writes records behind a question, up to a bound. What does not fit whole is not there at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>

#include "dns/bytes.h"

namespace weft::dns {

class Writer {
 public:
  /// @param bytes what may be written, the message's front included
  /// @param at where the next record begins
  Writer(std::span<std::byte> bytes, size_t at) : bytes_(bytes), at_(at) {}

  size_t size() const { return at_; }

  /// A record whose owner's name stands in the message already.
  /// @param data in parts, which are written one behind the other. @returns whether it fitted
  bool record(uint16_t owner, uint16_t type, uint16_t klass, uint32_t ttl,
              std::initializer_list<std::string_view> data) {
    size_t length = 0;
    for (const std::string_view part : data) {
      length += part.size();
    }
    constexpr size_t kFixed = 12;
    if (bytes_.size() - at_ < kFixed + length) {
      return false;
    }
    std::byte* const to = bytes_.data() + at_;
    put16(to, static_cast<uint16_t>(0xc000 | owner));
    put16(to + 2, type);
    put16(to + 4, klass);
    put32(to + 6, ttl);
    put16(to + 10, static_cast<uint16_t>(length));
    at_ += kFixed;
    for (const std::string_view part : data) {
      std::memcpy(bytes_.data() + at_, part.data(), part.size());
      at_ += part.size();
    }
    return true;
  }

 private:
  std::span<std::byte> bytes_;
  size_t at_;
};

/// A number as a part of a record's data.
template <typename Number>
class Part {
 public:
  explicit Part(Number value) {
    if constexpr (sizeof(Number) == 2) {
      put16(bytes_, value);
    } else {
      put32(bytes_, value);
    }
  }
  operator std::string_view() const {  // NOLINT: a part of data is what it is made for
    return {reinterpret_cast<const char*>(bytes_), sizeof bytes_};
  }

 private:
  std::byte bytes_[sizeof(Number)];
};

}  // namespace weft::dns
