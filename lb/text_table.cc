// SPDX-License-Identifier: Apache-2.0
#include "lb/text_table.h"

#include <bit>
#include <cassert>

namespace weft::lb {

TextTable::TextTable(uint32_t spaces, size_t count) : slots_(std::bit_ceil(count * 2 + 1)), lengths_(spaces) {}

void TextTable::add(uint32_t space, std::string_view text, uint32_t value) {
  assert(value != kNone && find(space, text) == kNone);
  const uint64_t hash = hash_of_text(text, space);
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].value != kNone) {
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = {.hash = hash,
                .space = space,
                .text = static_cast<uint32_t>(texts_.size()),
                .length = static_cast<uint32_t>(text.size()),
                .value = value};
  texts_ += text;
  lengths_[space] |= uint64_t{1} << (text.size() & 63);
}

uint32_t TextTable::look_up(uint32_t space, std::string_view text) const {
  const uint64_t hash = hash_of_text(text, space);
  for (size_t at = hash & (slots_.size() - 1); slots_[at].value != kNone; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && slot.space == space && slot.length == text.size() &&
        same_text({texts_.data() + slot.text, slot.length}, text)) {
      return slot.value;
    }
  }
  return kNone;
}

size_t TextTable::memory_bytes() const {
  return slots_.capacity() * sizeof(Slot) + lengths_.capacity() * sizeof(uint64_t) + texts_.capacity();
}

}  // namespace weft::lb
