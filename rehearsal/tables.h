// SPDX-License-Identifier: Apache-2.0
/// @file Columns as wide as what is in them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace weft::rehearsal {

using Row = std::vector<std::string>;

/// @param right which columns hold numbers
inline std::string as_table(const std::vector<Row>& rows, const std::vector<size_t>& right) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      const bool is_right = std::find(right.begin(), right.end(), i) != right.end();
      line += " " + (is_right ? blanks + row[i] : row[i] + blanks) + " ";
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace weft::rehearsal
