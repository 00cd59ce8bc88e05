// SPDX-License-Identifier: Apache-2.0
#include "proxy/header_edits.h"

#include <algorithm>
#include <cstring>

#include "lb/bytes.h"

namespace weft::proxy {
namespace {

/// Before each edit's name and value in a packed list.
struct PackedHead {
  HeaderEdit::Kind kind;
  uint8_t zero = 0;
  uint16_t name = 0;
  uint16_t value = 0;
};

}  // namespace

void EditList::add(const HeaderEdit& edit) {
  if (count_ < kMost) {
    edits_[count_++] = edit;
  }
}

void EditList::add(const lb::HeaderEdits& edits) {
  for (const lb::HeaderValue& each : edits.set) {
    add({HeaderEdit::Kind::set, each.name, each.value});
  }
  for (const lb::HeaderValue& each : edits.add) {
    add({HeaderEdit::Kind::add, each.name, each.value});
  }
  for (const std::string& name : edits.remove) {
    add({HeaderEdit::Kind::remove, name, {}});
  }
}

bool EditList::drops(std::string_view name) const {
  return std::any_of(edits_.begin(), edits_.begin() + static_cast<std::ptrdiff_t>(count_), [&](const HeaderEdit& edit) {
    return edit.kind != HeaderEdit::Kind::add && lb::same_name(edit.name, name);
  });
}

bool EditList::is_undone(size_t i) const {
  for (size_t later = i + 1; later < count_; ++later) {
    if (edits_[later].kind != HeaderEdit::Kind::add && lb::same_name(edits_[later].name, edits_[i].name)) {
      return true;
    }
  }
  return false;
}

bool EditList::pack(buffer::Slice& into) const {
  for (const HeaderEdit& edit : all()) {
    const PackedHead head{edit.kind, 0, static_cast<uint16_t>(edit.name.size()),
                          static_cast<uint16_t>(edit.value.size())};
    const size_t size = sizeof head + edit.name.size() + edit.value.size();
    if (into.tailroom() < size) {
      return false;
    }
    std::byte* at = into.grow(static_cast<uint16_t>(size)).data();
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + sizeof head, edit.name.data(), edit.name.size());
    if (!edit.value.empty()) {
      std::memcpy(at + sizeof head + edit.name.size(), edit.value.data(), edit.value.size());
    }
  }
  return true;
}

void EditList::unpack(const buffer::Slice& from) {
  clear();
  const auto* const bytes = reinterpret_cast<const char*>(from.bytes().data());
  for (size_t at = 0; at < from.size();) {
    PackedHead head;
    std::memcpy(&head, bytes + at, sizeof head);
    at += sizeof head;
    add({head.kind, {bytes + at, head.name}, {bytes + at + head.name, head.value}});
    at += size_t{head.name} + head.value;
  }
}

}  // namespace weft::proxy
