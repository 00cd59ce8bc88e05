// SPDX-License-Identifier: Apache-2.0
#include "ops/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace weft::ops {
namespace {

constexpr size_t kMaxWidth = 180;  // characters
constexpr size_t kMaxTurned = 17;  // rows: the most workers, and no list of services

std::string cell(const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  }
  if (value.is_null()) {
    return "-";
  }
  if (value.is_boolean()) {
    return value.get<bool>() ? "yes" : "no";
  }
  if (value.is_object()) {
    std::string joined;
    for (const auto& [key, item] : value.items()) {
      joined += (joined.empty() ? "" : " ") + key + ":" + cell(item);
    }
    return joined.empty() ? "-" : joined;
  }
  if (value.is_number_float()) {
    return fmt::format("{:.1f}", value.get<double>());
  }
  if (value.is_array()) {
    std::string joined;
    for (const Json& item : value) {
      joined += (joined.empty() ? "" : ",") + cell(item);
    }
    return joined.empty() ? "-" : joined;
  }
  return value.dump();
}

/// Sentences, which have commas of their own.
bool is_text_list(const Json& value) {
  return value.is_array() && value.size() > 1 && std::any_of(value.begin(), value.end(), [](const Json& item) {
           return item.is_string() && item.get_ref<const std::string&>().find(' ') != std::string::npos;
         });
}

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object(); });
}

/// Cells by line and column; the first line is the head.
using Grid = std::vector<std::vector<std::string>>;

std::string heading(const std::string& key) {
  std::string head = key;
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return c == '_' ? ' ' : static_cast<char>(std::toupper(c)); });
  return head;
}

/// A table with so many columns that no terminal shows it is easier to read on its side.
Grid turned(const Grid& grid) {
  Grid result(grid.front().size());
  for (const auto& line : grid) {
    for (size_t column = 0; column < line.size(); ++column) {
      result[column].push_back(line[column]);
    }
  }
  return result;
}

std::vector<size_t> widths_of(const Grid& grid) {
  std::vector<size_t> widths(grid.front().size());
  for (const auto& line : grid) {
    for (size_t column = 0; column < line.size(); ++column) {
      widths[column] = std::max(widths[column], line[column].size());
    }
  }
  return widths;
}

/// Precondition: is_table(rows), and all rows have the same keys in the same order.
std::string table(const Json& rows, const std::string& indent) {
  Grid grid(1);
  std::vector<bool> numeric;
  for (const auto& [key, value] : rows.front().items()) {
    grid.front().push_back(heading(key));
    numeric.push_back(value.is_number());
  }
  for (const Json& row : rows) {
    std::vector<std::string>& line = grid.emplace_back();
    for (const auto& item : row.items()) {
      line.push_back(cell(item.value()));
    }
  }
  std::vector<size_t> widths = widths_of(grid);
  const size_t width = std::accumulate(widths.begin(), widths.end(), 2 * widths.size());
  if (width > kMaxWidth && rows.size() < kMaxTurned) {
    grid = turned(grid);
    widths = widths_of(grid);
    numeric.assign(widths.size(), false);
  }
  std::string text;
  for (const auto& line : grid) {
    std::string drawn = indent;
    for (size_t i = 0; i < line.size(); ++i) {
      drawn += numeric[i] ? fmt::format("{:>{}}  ", line[i], widths[i]) : fmt::format("{:<{}}  ", line[i], widths[i]);
    }
    text += drawn.erase(drawn.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

std::string as_text(const Json& answer) {
  if (is_table(answer)) {
    return table(answer, "");
  }
  if (answer.is_array()) {
    std::string text;
    for (const Json& item : answer) {
      text += cell(item) + "\n";
    }
    return text.empty() ? "none\n" : text;
  }
  if (!answer.is_object()) {
    return cell(answer) + "\n";
  }
  size_t width = 0;
  for (const auto& [key, value] : answer.items()) {
    width = std::max(width, is_table(value) ? 0 : key.size());
  }
  std::string text;
  for (const auto& [key, value] : answer.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    if (is_table(value)) {
      text += name + ":\n" + table(value, "  ");
    } else if (is_text_list(value)) {
      std::string head = name + ":";
      for (const Json& item : value) {
        text += fmt::format("{:<{}}  {}\n", std::exchange(head, ""), width + 1, cell(item));
      }
    } else {
      text += fmt::format("{:<{}}  {}\n", name + ":", width + 1, cell(value));
    }
  }
  return text;
}

std::string as_line(const Json& answer) {
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace weft::ops
