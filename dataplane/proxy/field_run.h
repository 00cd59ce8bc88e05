// SPDX-License-Identifier: Apache-2.0
/// @file Fields that go on: "name: value" a line. Those that lie side by side in a head, and are written so already,
/// are copied as one text.
#pragma once

#include <string_view>

#include "http/head_writer.h"
#include "lb/http_request.h"

namespace weft::proxy {

class FieldRun {
 public:
  explicit FieldRun(http::HeadWriter& writer) : writer_(writer) {}

  /// @param field of a head that was read, whose text is there until end()
  void add(const lb::HttpField& field) {
    const char* const colon = field.name.data() + field.name.size();
    if (field.value.data() != colon + 2 || colon[1] != ' ') [[unlikely]] {
      end();
      return writer_.write_field(field.name, field.value);
    }
    if (first_ == nullptr || field.name.data() != last_ + 2) {
      end();
      first_ = field.name.data();
    }
    last_ = field.value.data() + field.value.size();
  }
  /// Writes what was added and is not written yet.
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
