// SPDX-License-Identifier: Apache-2.0
/// @file TCP options: from bytes and to bytes (RFC 9293, section 3.2; RFC 7323; RFC 2018).
///
/// Hostile bytes are read without fail: an option whose length can't be ends the list, one of a length that is not its
/// own is passed over, and values are clamped to what they may be.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tcp/sequence.h"

namespace weft::tcp {

constexpr size_t kMaxOptions = 40;       ///< bytes
constexpr uint8_t kMaxWindowShift = 14;  ///< RFC 7323, section 2.3
/// Below this a peer's maximum segment size is not believed: segments of a few bytes would be an attack (as Linux has
/// it).
constexpr uint16_t kMinMss = 88;
constexpr uint8_t kTimestampBytes = 12;  ///< as weft writes them, padded

struct Block {
  Seq begin;
  Seq end;  ///< after the last

  bool operator==(const Block&) const = default;
};

struct Timestamps {  // host order
  uint32_t value = 0;
  uint32_t echo = 0;

  bool operator==(const Timestamps&) const = default;
};

struct Options {
  std::optional<Timestamps> timestamps;
  std::optional<uint16_t> mss;          ///< at least kMinMss
  std::optional<uint8_t> window_shift;  ///< at most kMaxWindowShift
  bool sack_permitted = false;
  uint8_t block_count = 0;
  std::array<Block, 4> blocks;  ///< SACK; as they came, not yet checked against anything
};

Options decode_options(std::span<const std::byte> bytes);

/// The one layout of timestamps that all of today's senders use (RFC 7323, appendix A), and nothing behind it: what
/// header prediction asks for. @returns whether it is that
bool decode_timestamps_alone(std::span<const std::byte> bytes, Timestamps& timestamps);

/// Padded to whole words. What does not fit, the last of the blocks, is left out. @returns bytes written
uint8_t encode_options(const Options& options, std::array<std::byte, kMaxOptions>& bytes);

}  // namespace weft::tcp
