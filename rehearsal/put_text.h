// SPDX-License-Identifier: Apache-2.0
/// @file Text for a terminal or a pipe that may have gone away: who is about to undo what was broken must not die of
/// it.
#pragma once

#include <cstdio>
#include <string>

namespace weft::rehearsal {

/// Nothing is thrown. SIGPIPE is the caller's to ignore. @returns whether all of it was written
inline bool put_text(FILE* file, const std::string& text) {
  const bool put = std::fputs(text.c_str(), file) >= 0;
  return std::fflush(file) == 0 && put;
}

}  // namespace weft::rehearsal
