// SPDX-License-Identifier: Apache-2.0
#include "http/lines.h"

#include "http/ascii_set.h"

namespace weft::http {
namespace {

/// Bits of 64 bytes.
struct Block {
  uint64_t cr = 0;
  uint64_t lf = 0;
  uint64_t wrong = 0;  ///< control characters but HTAB, CR and LF among them
};

uint64_t join(uint32_t low, uint32_t high) {
  return uint64_t{high} << 32 | low;
}

Block classify(const char* at) {
  const Vector low = load(at);
  const Vector high = load(at + kVector);
  const auto is = [](Vector bytes, char c) { return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)); };
  const auto wrong = [&](Vector bytes) {
    const Vector control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    return mask_of(_mm256_or_si256(_mm256_andnot_si256(is(bytes, '\t'), control), is(bytes, 0x7f)));
  };
  return {.cr = join(mask_of(is(low, '\r')), mask_of(is(high, '\r'))),
          .lf = join(mask_of(is(low, '\n')), mask_of(is(high, '\n'))),
          .wrong = join(wrong(low), wrong(high))};
}

/// The last, shorter block.
Block classify_rest(std::string_view bytes, size_t from) {
  const size_t length = bytes.size() - from;
  Block block;
  if (bytes.size() >= 64) {  // the last 64 bytes, without those that were seen
    block = classify(bytes.data() + bytes.size() - 64);
    const size_t seen = 64 - length;
    return {.cr = block.cr >> seen, .lf = block.lf >> seen, .wrong = block.wrong >> seen};
  }
  std::array<char, 64> padded;
  padded.fill(' ');
  std::memcpy(padded.data(), bytes.data() + from, length);
  return classify(padded.data());
}

}  // namespace

bool Lines::scan(std::string_view bytes) {
  uint64_t carry = 0;  // is the last byte of the block before a CR?
  uint64_t wrong = 0;
  size_t blocks = 0;
  const auto note = [&](const Block& block) {
    // A LF is where a CR was one byte before, and nowhere else; what remains is a control character.
    wrong |= ((block.cr << 1 | carry) ^ block.lf) | (block.wrong ^ (block.cr | block.lf));
    carry = block.cr >> 63;
    ends_[blocks++] = block.lf;
  };
  size_t at = 0;
  for (; at + 64 <= bytes.size(); at += 64) {
    note(classify(bytes.data() + at));
  }
  if (at < bytes.size()) {
    note(classify_rest(bytes, at));
  }
  block_ = 0;
  left_ = blocks > 0 ? ends_[0] : 0;
  return (wrong | carry) == 0;  // a CR that ends the bytes has no LF
}

Defect wrong_byte(std::string_view bytes, Defect in_first_line) {
  size_t line = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n') {
      line = i + 2;
      ++i;
    } else if (c == '\r' || c == '\n') {
      return Defect::line_end;
    } else if ((static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f) {
      const bool in_name = bytes.substr(line, i - line).find(':') == std::string_view::npos;
      return line == 0 ? in_first_line : in_name ? Defect::field_name : Defect::field_value;
    }
  }
  return Defect::none;
}

}  // namespace weft::http
