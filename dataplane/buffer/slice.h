// SPDX-License-Identifier: Apache-2.0
/// @file Bytes that move through weft without being copied: buffers, which pools own, and slices, which share them.
///
/// A slice is some bytes of one buffer. Slices are moved; one more of the same bytes is asked for by share(). The last
/// slice of a buffer gives it back to its pool. References are counted without atomics: a buffer and all its slices
/// stay with one thread.
///
/// A slice may know the checksum of its bytes (RFC 1071), so that a payload that goes on unchanged is never read.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace weft::buffer {

class Pool;

/// A piece of memory. Whoever made the pool it belongs to made it, and knows what it lies in.
struct Buffer {
  std::byte* bytes = nullptr;
  Pool* pool = nullptr;
  Buffer* next = nullptr;   ///< the pool's, while nobody uses it
  uint32_t capacity = 0;    ///< at most 65535
  uint32_t references = 0;  ///< slices
};
static_assert(sizeof(Buffer) == 32);

/// Buffers that nobody uses. What fills it and takes from it besides, such as a device's memory, does so between the
/// batches of its one thread.
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Null: none is left.
  Buffer* take() {
    Buffer* taken = free_;
    if (taken != nullptr) {
      free_ = taken->next;
      --size_;
    }
    return taken;
  }
  void give_back(Buffer* buffer) {
    buffer->next = free_;
    free_ = buffer;
    ++size_;
  }
  size_t size() const { return size_; }

 private:
  Buffer* free_ = nullptr;
  size_t size_ = 0;
};

class Slice {
 public:
  Slice() = default;
  /// Precondition: offset + length <= buffer->capacity
  Slice(Buffer* buffer, uint16_t offset, uint16_t length) : buffer_(buffer), offset_(offset), length_(length) {
    ++buffer_->references;
  }
  Slice(Slice&& other) noexcept { take(other); }
  Slice& operator=(Slice&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  ~Slice() { release(); }

  size_t size() const { return length_; }
  bool empty() const { return length_ == 0; }
  const std::byte* data() const { return buffer_->bytes + offset_; }
  std::span<const std::byte> bytes() const {
    return empty() ? std::span<const std::byte>() : std::span(data(), length_);
  }
  /// Precondition: nobody else has a slice of these bytes.
  std::span<std::byte> writable() { return {buffer_->bytes + offset_, length_}; }
  const Buffer* buffer() const { return buffer_; }
  Buffer* buffer() { return buffer_; }
  size_t headroom() const { return offset_; }
  size_t tailroom() const { return buffer_->capacity - offset_ - length_; }
  bool is_only_one() const { return buffer_->references == 1; }

  /// One more of the same bytes.
  Slice share() const { return part(0, length_); }
  /// Some of its bytes, without what is known of their checksum unless they are all.
  Slice part(uint16_t from, uint16_t length) const {
    assert(from + length <= length_);
    Slice shared;
    if (buffer_ != nullptr) {
      shared = Slice(buffer_, static_cast<uint16_t>(offset_ + from), length);
      if (length == length_) {
        shared.sum_ = sum_;
        shared.is_summed_ = is_summed_;
      }
    }
    return shared;
  }
  void trim_front(uint16_t length) {
    assert(length <= length_);
    offset_ = static_cast<uint16_t>(offset_ + length);
    length_ = static_cast<uint16_t>(length_ - length);
    is_summed_ &= length == 0;
  }
  void trim_back(uint16_t length) {
    assert(length <= length_);
    length_ = static_cast<uint16_t>(length_ - length);
    is_summed_ &= length == 0;
  }
  /// Takes in what lies behind it in its buffer. Precondition: tailroom, and that nobody else has a slice of the
  /// buffer.
  std::span<std::byte> grow(uint16_t length) {
    assert(length <= tailroom() && is_only_one());
    std::byte* const grown = buffer_->bytes + offset_ + length_;
    length_ = static_cast<uint16_t>(length_ + length);
    is_summed_ &= length == 0;
    return {grown, length};
  }

  bool is_summed() const { return is_summed_; }
  /// The folded one's complement sum, as if the bytes began at an even place. Precondition: is_summed().
  uint16_t sum() const { return sum_; }
  void set_sum(uint16_t sum) {
    sum_ = sum;
    is_summed_ = true;
  }

 private:
  void take(Slice& other) {
    buffer_ = std::exchange(other.buffer_, nullptr);
    offset_ = other.offset_;
    length_ = std::exchange(other.length_, 0);
    sum_ = other.sum_;
    is_summed_ = other.is_summed_;
  }
  void release() {
    if (buffer_ != nullptr && --buffer_->references == 0) {
      buffer_->pool->give_back(buffer_);
    }
    buffer_ = nullptr;
    length_ = 0;
  }

  Buffer* buffer_ = nullptr;
  uint16_t offset_ = 0;
  uint16_t length_ = 0;
  uint16_t sum_ = 0;
  bool is_summed_ = false;
};
static_assert(sizeof(Slice) == 16);

/// Its bytes as characters.
inline std::string_view text_of(const Slice& slice) {
  return slice.empty() ? std::string_view()
                       : std::string_view(reinterpret_cast<const char*>(slice.data()), slice.size());
}

}  // namespace weft::buffer
