// SPDX-License-Identifier: Apache-2.0
/// @file Header modifiers of a rule and then of its backend, as one list of edits that a head is written by.
///
/// For requests the list refers to the rule and is used at once. For responses, which come when the rules may be
/// others, it is packed into a buffer of the exchange.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "buffer/slice.h"
#include "lb/http_route.h"

namespace weft::proxy {

struct HeaderEdit {
  enum class Kind : uint8_t { set, add, remove };
  Kind kind = Kind::set;
  std::string_view name;
  std::string_view value;
};

class EditList {
 public:
  /// Of a rule and its backend, 16 of each kind: Gateway API's bounds; and what weft adds itself.
  static constexpr size_t kMost = 112;

  bool empty() const { return count_ == 0; }
  /// Beyond kMost nothing is added.
  void add(const HeaderEdit& edit);
  void add(const lb::HeaderEdits& edits);
  std::span<const HeaderEdit> all() const { return {edits_.data(), count_}; }
  void clear() { count_ = 0; }

  /// Is a field of this name that the head came with left out?
  bool drops(std::string_view name) const;
  /// Does anything that comes after undo this one?
  bool is_undone(size_t i) const;

  /// @returns false: it does not fit the slice's tail room
  bool pack(buffer::Slice& into) const;
  /// What was packed; the views live as long as the slice.
  void unpack(const buffer::Slice& from);

 private:
  std::array<HeaderEdit, kMost> edits_;
  size_t count_ = 0;
};

}  // namespace weft::proxy
