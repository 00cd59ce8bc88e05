// SPDX-License-Identifier: Apache-2.0
/// @file What is wrong with a file, and where: one line for a person, in the form that editors jump to.
///
/// Text that came from a file is never shown raw: it is cut and escaped, so that a hostile file can neither flood a log
/// nor write control characters to a terminal.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::registry {

struct Diagnostic {
  std::string file;
  uint32_t line = 0;    ///< from 1; 0 if the whole file is meant
  std::string field;    ///< such as "spec.ports[0].port"; empty if the whole document is meant
  std::string message;  ///< what was expected and what was found

  auto operator<=>(const Diagnostic&) const = default;
};

/// "FILE:LINE: FIELD: MESSAGE", without the parts that are not known.
std::string to_string(const Diagnostic& diagnostic);

/// Diagnostics kept of one file; the last of them says that there were more.
inline constexpr size_t kMaxDiagnostics = 100;
/// Appends, up to kMaxDiagnostics.
void report(std::vector<Diagnostic>& diagnostics, Diagnostic diagnostic);

/// Printable ASCII as it is, all else as \xNN; cut after `most` bytes of input, with "..." in place of the rest.
std::string escaped(std::string_view text, size_t most = 64);
/// escaped(), in double quotes.
std::string in_quotes(std::string_view text);

/// "a", "a or b", "a, b or c"; after 16 words "and N more".
std::string listed(const std::vector<std::string>& words, std::string_view last_joint = " or ");

}  // namespace weft::registry
