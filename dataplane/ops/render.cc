// SPDX-License-Identifier: Apache-2.0
#include "ops/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace weft::ops {
namespace {

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

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object(); });
}

void trim_end(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

std::string table(const Json& rows, const std::string& indent) {
  std::vector<std::string> heads;
  std::vector<size_t> widths;
  std::vector<bool> numeric;
  for (const auto& [key, value] : rows.front().items()) {
    std::string head = key;
    std::transform(head.begin(), head.end(), head.begin(),
                   [](unsigned char c) { return c == '_' ? ' ' : static_cast<char>(std::toupper(c)); });
    heads.push_back(head);
    widths.push_back(head.size());
    numeric.push_back(value.is_number());
  }
  std::vector<std::vector<std::string>> lines;
  for (const Json& row : rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const auto& item : row.items()) {
      line.push_back(cell(item.value()));
      const size_t column = line.size() - 1;
      if (column < widths.size()) {
        widths[column] = std::max(widths[column], line.back().size());
      }
    }
  }
  std::string text;
  const auto draw = [&](const std::vector<std::string>& cells) {
    std::string line = indent;
    for (size_t i = 0; i < cells.size() && i < widths.size(); ++i) {
      line += numeric[i] ? fmt::format("{:>{}}  ", cells[i], widths[i]) : fmt::format("{:<{}}  ", cells[i], widths[i]);
    }
    trim_end(line);
    text += line + "\n";
  };
  draw(heads);
  std::for_each(lines.begin(), lines.end(), draw);
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
    } else {
      text += fmt::format("{:<{}}  {}\n", name + ":", width + 1, cell(value));
    }
  }
  return text;
}

}  // namespace weft::ops
