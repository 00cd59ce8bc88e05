// SPDX-License-Identifier: Apache-2.0
#include "http/head_writer.h"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace weft::http {

void HeadWriter::write_number(uint64_t number) {
  std::array<char, 20> digits;
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  write({digits.data(), static_cast<size_t>(end - digits.data())});
}

void HeadWriter::write_across(std::string_view bytes) {
  while (!failed_ && !bytes.empty()) {
    if (room() == 0 && !grow()) {
      return fail();
    }
    const size_t fitting = std::min(bytes.size(), room());
    put(bytes.substr(0, fitting));
    bytes.remove_prefix(fitting);
  }
}

std::span<buffer::Slice> HeadWriter::slices() {
  settle();
  return {slices_.data(), count_};
}

void HeadWriter::clear() {
  for (buffer::Slice& slice : slices()) {
    slice = {};
  }
  count_ = 0;
  full_ = 0;
  begin_ = at_ = end_ = nullptr;
  failed_ = false;
}

bool HeadWriter::grow() {
  settle();
  if (count_ == kMaxSlices) {
    return false;
  }
  buffer::Buffer* const buffer = pool_.take();
  if (buffer == nullptr) {
    return false;
  }
  assert(buffer->capacity > kHeadroom);
  buffer::Slice& slice = slices_[count_++];
  slice = buffer::Slice(buffer, kHeadroom, 0);
  begin_ = at_ = reinterpret_cast<char*>(buffer->bytes) + kHeadroom;
  end_ = reinterpret_cast<char*>(buffer->bytes) + buffer->capacity;
  return true;
}

/// The last slice has what was written.
void HeadWriter::settle() {
  if (at_ != begin_) {
    slices_[count_ - 1].grow(static_cast<uint16_t>(written()));
    full_ += written();
    begin_ = at_;
  }
}

void HeadWriter::fail() {
  clear();
  failed_ = true;
}

}  // namespace weft::http
