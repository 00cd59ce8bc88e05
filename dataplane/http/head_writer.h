// SPDX-License-Identifier: Apache-2.0
/// @file Writes heads into buffers of a pool, behind room for the headers of the segments that they will be.
///
/// A head is some slices, most often one. No allocation: where the pool or the bound runs out, the writer fails, and
/// all that it wrote is given back.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "buffer/slice.h"

namespace weft::http {

class HeadWriter {
 public:
  static constexpr size_t kMaxSlices = 16;
  static constexpr uint16_t kHeadroom = 192;

  /// @param pool of buffers that hold more than kHeadroom
  explicit HeadWriter(buffer::Pool& pool) : pool_(pool) {}

  void write(std::string_view bytes) {
    if (bytes.size() > room()) [[unlikely]] {
      return write_across(bytes);
    }
    put(bytes);
  }
  void write_number(uint64_t number);
  /// "name: value\r\n"
  void write_field(std::string_view name, std::string_view value) {
    if (name.size() + value.size() + 4 > room()) [[unlikely]] {
      write_across(name);
      write_across(": ");
      write_across(value);
      return write_across("\r\n");
    }
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }

  /// Nothing is written any more until clear().
  bool failed() const { return failed_; }
  size_t size() const { return full_ + written(); }
  /// Those written, in order, for the caller to move out. Then clear().
  std::span<buffer::Slice> slices();
  /// Gives back what was not moved out, and begins anew.
  void clear();

 private:
  size_t room() const { return static_cast<size_t>(end_ - at_); }
  /// In the last slice's buffer.
  size_t written() const { return static_cast<size_t>(at_ - begin_); }
  void put(std::string_view bytes) {
    if (!bytes.empty()) {
      std::memcpy(at_, bytes.data(), bytes.size());
      at_ += bytes.size();
    }
  }
  void write_across(std::string_view bytes);
  bool grow();
  void settle();
  void fail();

  buffer::Pool& pool_;
  std::array<buffer::Slice, kMaxSlices> slices_;
  size_t count_ = 0;
  size_t full_ = 0;        ///< bytes in all slices but the last
  char* begin_ = nullptr;  ///< of what is not in the last slice yet
  char* at_ = nullptr;
  char* end_ = nullptr;  ///< of the last slice's buffer
  bool failed_ = false;
};

}  // namespace weft::http
