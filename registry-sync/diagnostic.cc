// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/diagnostic.h"

namespace weft::registry {
namespace {

constexpr size_t kMaxListed = 16;

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = escaped(diagnostic.file, 4096);
  if (diagnostic.line > 0) {
    text += ':';
    text += std::to_string(diagnostic.line);
  }
  if (!diagnostic.field.empty()) {
    text += ": ";
    text += diagnostic.field;
  }
  text += ": ";
  return text += diagnostic.message;
}

void report(std::vector<Diagnostic>& diagnostics, Diagnostic diagnostic) {
  if (diagnostics.size() + 1 < kMaxDiagnostics) {
    diagnostics.push_back(std::move(diagnostic));
  } else if (diagnostics.size() < kMaxDiagnostics) {
    diagnostics.push_back(
        {.file = std::move(diagnostic.file), .line = diagnostic.line, .message = "more is wrong from here on"});
  }
}

std::string escaped(std::string_view text, size_t most) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result;
  for (char c : text.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (text.size() > most) {
    result += "...";
  }
  return result;
}

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  result += escaped(text);
  return result += '"';
}

std::string listed(const std::vector<std::string>& words, std::string_view last_joint) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i == kMaxListed) {
      text += " and ";
      text += std::to_string(words.size() - i);
      return text += " more";
    }
    if (i > 0) {
      text += i + 1 == words.size() ? last_joint : std::string_view(", ");
    }
    text += words[i];
  }
  return text;
}

}  // namespace weft::registry
