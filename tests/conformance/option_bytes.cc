// SPDX-License-Identifier: Apache-2.0
#include "option_bytes.h"

namespace weft::conformance {
namespace {

void put(std::vector<std::byte>& bytes, std::initializer_list<unsigned> values) {
  for (const unsigned value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
}
void put32(std::vector<std::byte>& bytes, uint32_t value) {
  put(bytes, {value >> 24, value >> 16 & 0xff, value >> 8 & 0xff, value & 0xff});
}

uint32_t number(std::span<const std::byte> bytes) {
  uint32_t value = 0;
  for (const std::byte byte : bytes) {
    value = value << 8 | static_cast<uint32_t>(byte);
  }
  return value;
}

void read_one(unsigned kind, std::span<const std::byte> value, PlainOptions& options) {
  if (kind == 2 && value.size() == 2) {
    options.mss = static_cast<uint16_t>(number(value));
  } else if (kind == 3 && value.size() == 1) {
    options.shift = static_cast<uint8_t>(number(value));
  } else if (kind == 4 && value.empty()) {
    options.sack_permitted = true;
  } else if (kind == 5 && !value.empty() && value.size() % 8 == 0) {
    for (size_t at = 0; at < value.size(); at += 8) {
      options.blocks.emplace_back(number(value.subspan(at, 4)), number(value.subspan(at + 4, 4)));
    }
  } else if (kind == 8 && value.size() == 8) {
    options.timestamps = {number(value.first(4)), number(value.subspan(4))};
  } else {
    throw Failure("sent an option of kind " + std::to_string(kind) + " with " + std::to_string(value.size()) +
                  " bytes");
  }
}

}  // namespace

std::vector<std::byte> write_options(const PlainOptions& options, const std::vector<uint8_t>& raw) {
  std::vector<std::byte> bytes;
  if (options.mss) {
    put(bytes, {2, 4, *options.mss / 256U, *options.mss % 256U});
  }
  if (options.sack_permitted) {
    put(bytes, {1, 1, 4, 2});
  }
  if (options.timestamps) {
    put(bytes, {1, 1, 8, 10});
    put32(bytes, options.timestamps->first);
    put32(bytes, options.timestamps->second);
  }
  if (options.shift) {
    put(bytes, {1, 3, 3, *options.shift});
  }
  if (!options.blocks.empty()) {
    put(bytes, {1, 1, 5, static_cast<unsigned>(2 + 8 * options.blocks.size())});
    for (const auto& [begin, end] : options.blocks) {
      put32(bytes, begin);
      put32(bytes, end);
    }
  }
  for (const uint8_t byte : raw) {
    put(bytes, {byte});
  }
  while (bytes.size() % 4 != 0) {
    put(bytes, {1});
  }
  if (bytes.size() > 40) {
    throw Failure("more options than a header holds");
  }
  return bytes;
}

PlainOptions read_options(std::span<const std::byte> bytes) {
  if (bytes.size() % 4 != 0) {
    throw Failure("sent options that are no whole words");
  }
  PlainOptions options;
  while (!bytes.empty() && bytes[0] != std::byte{0}) {
    const auto kind = static_cast<unsigned>(bytes[0]);
    if (kind == 1) {
      bytes = bytes.subspan(1);
      continue;
    }
    const auto length = bytes.size() < 2 ? 0U : static_cast<unsigned>(bytes[1]);
    if (length < 2 || length > bytes.size()) {
      throw Failure("sent an option of a length that can't be");
    }
    read_one(kind, bytes.subspan(2, length - 2), options);
    bytes = bytes.subspan(length);
  }
  return options;
}

}  // namespace weft::conformance
