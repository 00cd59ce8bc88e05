// SPDX-License-Identifier: Apache-2.0
/// @file Fields that go on as they came. Those that lie side by side in a head are copied as one text, with what is
/// between them: a colon, blanks, the ends of lines.
#pragma once

#include <string_view>

#include "http/head_writer.h"
#include "lb/http_request.h"

namespace weft::proxy {

class FieldRun {
 public:
  explicit FieldRun(http::HeadWriter& writer) : writer_(writer) {}

  /// The field behind the one that was added before, or any one after end().
  void add(const lb::HttpField& field) {
    if (first_ == nullptr) {
      first_ = field.name.data();
    }
    last_ = field.value.data() + field.value.size();
  }
  /// Writes what was added.
  void end() {
    if (first_ != nullptr) {
      writer_.write({first_, static_cast<size_t>(last_ - first_)});
      writer_.write("\r\n");
      first_ = nullptr;
    }
  }

 private:
  http::HeadWriter& writer_;
  const char* first_ = nullptr;
  const char* last_ = nullptr;
};

}  // namespace weft::proxy
