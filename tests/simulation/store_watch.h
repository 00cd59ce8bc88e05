// SPDX-License-Identifier: Apache-2.0
/// @file Who writes which cache line: a ThreadSanitizer runtime of our own.
///
/// Code that is compiled with -fsanitize=thread calls a function before each access to memory that another thread might
/// see. Linked against these instead of the real ones, each store is noted with the writer that was named last. For one
/// thread, which plays all writers in turn.
#pragma once

#include <cstdint>
#include <vector>

namespace weft::test {

constexpr int kNobody = -1;
constexpr int kMaxWriters = 2;

/// Whose stores come next.
void write_as(int writer);
/// Addresses of the lines that more than one writer has written.
std::vector<uintptr_t> lines_written_by_several();
/// How many lines a writer has written.
uint32_t lines_written_by(int writer);

}  // namespace weft::test
