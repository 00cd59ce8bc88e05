// SPDX-License-Identifier: Apache-2.0
#include "tcp/options.h"

#include <algorithm>
#include <cstring>

#include "packet/headers.h"

namespace weft::tcp {
namespace {

namespace kind {
constexpr uint8_t end = packet::tcp_option::end;
constexpr uint8_t no_operation = packet::tcp_option::no_operation;
constexpr uint8_t mss = packet::tcp_option::max_segment_size;
constexpr uint8_t window_scale = 3;
constexpr uint8_t sack_permitted = 4;
constexpr uint8_t sack = 5;
constexpr uint8_t timestamps = 8;
}  // namespace kind

constexpr size_t kBlockBytes = 8;
/// Two no-operations, then timestamps: the four bytes in front of the values.
constexpr uint32_t kAlignedTimestamps = packet::swap32(0x0101'080a);

uint32_t load32(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return packet::swap32(word);
}
uint16_t load16(const std::byte* at) {
  uint16_t word;
  std::memcpy(&word, at, sizeof word);
  return packet::swap16(word);
}

void decode_one(uint8_t its_kind, std::span<const std::byte> value, Options& options) {
  switch (its_kind) {
    case kind::mss:
      if (value.size() == 2) {
        options.mss = std::max(load16(value.data()), kMinMss);
      }
      break;
    case kind::window_scale:
      if (value.size() == 1) {
        options.window_shift = std::min(static_cast<uint8_t>(value[0]), kMaxWindowShift);
      }
      break;
    case kind::sack_permitted:
      options.sack_permitted |= value.empty();
      break;
    case kind::sack:
      if (value.size() % kBlockBytes == 0 && value.size() / kBlockBytes <= options.blocks.size()) {
        options.block_count = static_cast<uint8_t>(value.size() / kBlockBytes);
        for (size_t i = 0; i < options.block_count; ++i) {
          options.blocks[i] = {Seq(load32(&value[i * kBlockBytes])), Seq(load32(&value[i * kBlockBytes + 4]))};
        }
      }
      break;
    case kind::timestamps:
      if (value.size() == 8) {
        options.timestamps = {load32(value.data()), load32(&value[4])};
      }
      break;
    default:
      break;
  }
}

/// Appends; there is room.
class Writer {
 public:
  explicit Writer(std::array<std::byte, kMaxOptions>& bytes) : bytes_(bytes) {}

  void put8(uint8_t value) { bytes_[size_++] = std::byte{value}; }
  void put16(uint16_t value) { put(packet::swap16(value)); }
  void put32(uint32_t value) { put(packet::swap32(value)); }
  uint8_t size() const { return size_; }
  size_t left() const { return bytes_.size() - size_; }

 private:
  template <typename Word>
  void put(Word word) {
    std::memcpy(&bytes_[size_], &word, sizeof word);
    size_ = static_cast<uint8_t>(size_ + sizeof word);
  }

  std::array<std::byte, kMaxOptions>& bytes_;
  uint8_t size_ = 0;
};

}  // namespace

Options decode_options(std::span<const std::byte> bytes) {
  Options options;
  while (!bytes.empty() && static_cast<uint8_t>(bytes[0]) != kind::end) {
    if (static_cast<uint8_t>(bytes[0]) == kind::no_operation) {
      bytes = bytes.subspan(1);
      continue;
    }
    if (bytes.size() < 2 || static_cast<uint8_t>(bytes[1]) < 2 || static_cast<uint8_t>(bytes[1]) > bytes.size()) {
      break;
    }
    const auto length = static_cast<uint8_t>(bytes[1]);
    decode_one(static_cast<uint8_t>(bytes[0]), bytes.subspan(2, length - 2U), options);
    bytes = bytes.subspan(length);
  }
  return options;
}

bool decode_timestamps_alone(std::span<const std::byte> bytes, Timestamps& timestamps) {
  uint32_t first;
  if (bytes.size() != kTimestampBytes) {
    return false;
  }
  std::memcpy(&first, bytes.data(), sizeof first);
  timestamps = {load32(&bytes[4]), load32(&bytes[8])};
  return first == kAlignedTimestamps;
}

uint8_t encode_options(const Options& options, std::array<std::byte, kMaxOptions>& bytes) {
  Writer writer(bytes);
  if (options.mss) {
    writer.put8(kind::mss);
    writer.put8(4);
    writer.put16(*options.mss);
  }
  if (options.sack_permitted && options.timestamps) {  // takes the place of the two no-operations
    writer.put8(kind::sack_permitted);
    writer.put8(2);
  } else if (options.sack_permitted) {
    writer.put16(kind::no_operation << 8 | kind::no_operation);
    writer.put8(kind::sack_permitted);
    writer.put8(2);
  } else if (options.timestamps) {
    writer.put16(kind::no_operation << 8 | kind::no_operation);
  }
  if (options.timestamps) {
    writer.put8(kind::timestamps);
    writer.put8(10);
    writer.put32(options.timestamps->value);
    writer.put32(options.timestamps->echo);
  }
  if (options.window_shift) {
    writer.put8(kind::no_operation);
    writer.put8(kind::window_scale);
    writer.put8(3);
    writer.put8(*options.window_shift);
  }
  if (options.block_count > 0) {
    const size_t blocks = std::min<size_t>(options.block_count, (writer.left() - 4) / kBlockBytes);
    writer.put16(kind::no_operation << 8 | kind::no_operation);
    writer.put8(kind::sack);
    writer.put8(static_cast<uint8_t>(2 + blocks * kBlockBytes));
    for (size_t i = 0; i < blocks; ++i) {
      writer.put32(options.blocks[i].begin.value);
      writer.put32(options.blocks[i].end.value);
    }
  }
  return writer.size();
}

}  // namespace weft::tcp
